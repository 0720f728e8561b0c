-- Every remediation of the streams that changed, its signals, and the culprit that it repairs with the method: docs/metrics.md, section 2.
--
-- A remediation is a successful deployment that says it repairs (hotfix, fix, `remediates`) or rolls
-- back; a redeployment only where it has `remediates`. Its culprit, by the first rule that fits:
-- 1. `explicit`: the deployment before it that `remediates` names, by id, by node id in the same repository
--    (the same stream's first, else the latest), or by release in the same stream. The name decides alone:
--    one that is not known has no culprit until what it names is recorded.
-- 2. `rollback`: the first deployment after the latest earlier one of the same release.
-- 3. `incident`: a deployment before it, of the stream or a failed one beside it, with a linked incident
--    that was open while this one was deployed, and had started no more than the attribution gap before
--    it finished; of several, the incident that started last.
-- 4. `predecessor`: the deployment just before it in the stream, within the attribution gap.
-- culprit_id is null where no rule fits: the remediation is unattributed.
with
repairs as (
    select
        finished_deployments.*,
        settings.attribution_gap_days,
        list_filter(
            [
                case when finished_deployments.is_rollback then 'rollback' end,
                case when finished_deployments.is_hotfix then 'hotfix' end,
                case when finished_deployments.is_fix then 'fix' end
            ],
            lambda signal: signal is not null
        ) as flagged_signals,
        coalesce(commit_names.whole, lower(finished_deployments.remediates)) as remediated_release
    from finished_deployments
    join settings using (organization)
    left join commit_names on
        commit_names.organization = finished_deployments.organization
        and commit_names.repository_key = finished_deployments.repository_key
        and commit_names.short = lower(finished_deployments.remediates)
    where
        finished_deployments.deployable in (select deployable from changed_deployables)
        and finished_deployments.succeeded
        and (not finished_deployments.is_redeployment or finished_deployments.remediates is not null)
        and (
            finished_deployments.is_hotfix or finished_deployments.is_fix
            or finished_deployments.is_rollback or finished_deployments.remediates is not null
        )
),
stream_deployments as (
    select * from finished_deployments
    where deployable in (select deployable from changed_deployables)
),
named as (
    select
        repairs.id,
        target.id as culprit_id,
        target.finished_at,
        target.first_revision,
        1 as rule_rank,
        0 as match_score
    from repairs
    join finished_deployments as target on
        target.organization = repairs.organization
        and target.id = repairs.remediates
    where
        (target.finished_at, target.first_revision) < (repairs.finished_at, repairs.first_revision)
    union all
    select
        repairs.id,
        target.id,
        target.finished_at,
        target.first_revision,
        2,
        (target.service_key = repairs.service_key and target.environment_key = repairs.environment_key)::integer
    from repairs
    join finished_deployments as target on
        target.organization = repairs.organization
        and target.repository_key = repairs.repository_key
        and target.deployment_node_id = repairs.remediates
    where
        (target.finished_at, target.first_revision) < (repairs.finished_at, repairs.first_revision)
    union all
    select
        repairs.id,
        target.id,
        target.finished_at,
        target.first_revision,
        3,
        0
    from repairs
    join stream_deployments as target on
        target.organization = repairs.organization
        and target.repository_key = repairs.repository_key
        and target.service_key = repairs.service_key
        and target.environment_key = repairs.environment_key
        and target.release = repairs.remediated_release
    where target.position < repairs.position
),
explicit_culprits as (
    select id, culprit_id
    from named
    qualify row_number() over (
        partition by id
        order by rule_rank, match_score desc, finished_at desc, first_revision desc
    ) = 1
),
rolled_back as (
    select repairs.id, target.id as culprit_id
    from repairs
    join stream_deployments as target on
        target.organization = repairs.organization
        and target.repository_key = repairs.repository_key
        and target.service_key = repairs.service_key
        and target.environment_key = repairs.environment_key
        and target.position = repairs.redeploys_position + 1
    where repairs.is_rollback and target.position < repairs.position
),
-- Few deployments have incidents: a repair is set beside those alone, in a stream of any length.
blamed as materialized (
    select
        target.organization,
        target.repository_key,
        target.service_key,
        target.environment_key,
        target.id,
        target.finished_at,
        target.first_revision,
        incident_links.started_at as began_at,
        incident_links.resolved_at,
        incident_links.first_revision as reported
    from incident_links
    join stream_deployments as target on target.id = incident_links.deployment_id
),
impaired as (
    select repairs.id, target.id as culprit_id
    from repairs
    join blamed as target on
        target.organization = repairs.organization
        and target.repository_key = repairs.repository_key
        and target.service_key = repairs.service_key
        and target.environment_key = repairs.environment_key
    where
        (target.finished_at, target.first_revision) < (repairs.finished_at, repairs.first_revision)
        and target.began_at <= repairs.finished_at
        and target.began_at + to_days(repairs.attribution_gap_days) >= repairs.finished_at
        and (
            target.resolved_at is null
            or target.resolved_at >= coalesce(repairs.started_at, repairs.finished_at)
        )
    qualify row_number() over (partition by repairs.id order by target.began_at desc, target.reported desc) = 1
)
select
    repairs.id,
    repairs.organization,
    repairs.deployable,
    repairs.finished_at,
    case when len(repairs.flagged_signals) = 0 then ['hotfix'] else repairs.flagged_signals end as signals,
    case
        when repairs.remediates is not null then explicit_culprits.culprit_id
        when rolled_back.id is not null then rolled_back.culprit_id
        when impaired.id is not null then impaired.culprit_id
        when repairs.previous_finished_at + to_days(repairs.attribution_gap_days) >= repairs.finished_at
            then repairs.previous_id
    end as culprit_id,
    case
        when repairs.remediates is not null then case when explicit_culprits.id is not null then 'explicit' end
        when rolled_back.id is not null then 'rollback'
        when impaired.id is not null then 'incident'
        when repairs.previous_finished_at + to_days(repairs.attribution_gap_days) >= repairs.finished_at
            then 'predecessor'
    end as method
from repairs
left join explicit_culprits using (id)
left join rolled_back using (id)
left join impaired using (id)
order by repairs.organization, repairs.finished_at, repairs.first_revision
