-- The deployment that each incident that may have changed is linked to, and the method: docs/metrics.md, section 2.
--
-- 1. `explicit`: the incident names it, by id, by node id in its repository (in any, where it names none), or by
--    commit: the latest of that release in its environment and repository (where it names none, the one that
--    has it) that started (where not known: finished) by its start. Of several with one node id or commit, one
--    of the service that the incident names comes first. The name decides alone: one that is not known has no
--    link until what it names is recorded.
-- 2. `nearest`: of the streams of its repository and service, the last to have started by then, unless that
--    finished more than the attribution gap before; also one that failed, where the incident began in its run.
--    A repository alone means all its services, a service alone the one repository that has it. No environment,
--    or a production environment in which nothing of these was ever deployed, means the production ones.
-- An incident that no rule fits has the reason, the first that holds: `unknown_name`, `names_nothing`,
-- `ambiguous_service`, `nothing_deployed`, `too_long_ago`. One that no change caused has no row.
with
linkable as (
    select
        incidents.*,
        settings.production_environments,
        settings.attribution_gap_days,
        names_a_deployment(incidents.deployment, incidents.commit_id) as names_deployment
    from incidents
    join settings using (organization)
    where
        incidents.change_related
        and incidents.id in (select incident_id from changed_incidents)
),
finished as not materialized (
    select *, coalesce(started_at, finished_at) as under_way_at
    from finished_deployments
),
named_releases as (
    select id, organization, repository_key, commit_id as release
    from linkable
    where commit_id is not null
    union
    select linkable.id, linkable.organization, commit_names.repository_key, commit_names.whole
    from linkable
    join commit_names on
        commit_names.organization = linkable.organization
        and commit_names.short = linkable.commit_id
        and coalesce(linkable.repository_key, commit_names.repository_key) = commit_names.repository_key
),
of_the_release as (
    select
        named_releases.id as incident_id,
        finished.*,
        count(distinct finished.repository_key) over (partition by named_releases.id) as repositories
    from named_releases
    join finished on
        finished.organization = named_releases.organization
        and finished.release = named_releases.release
        and coalesce(named_releases.repository_key, finished.repository_key) = finished.repository_key
),
named as (
    select
        linkable.id as incident_id,
        finished.id as deployment_id,
        finished.finished_at,
        finished.first_revision,
        1 as rule_rank,
        0 as match_score
    from linkable
    join finished on
        finished.organization = linkable.organization
        and finished.id = linkable.deployment
    union all
    select
        linkable.id,
        finished.id,
        finished.finished_at,
        finished.first_revision,
        2,
        (finished.service_key = linkable.service_key and linkable.service_key <> '')::integer
        + coalesce((finished.environment_key = linkable.environment_key)::integer, 0)
    from linkable
    join finished on
        finished.organization = linkable.organization
        and finished.deployment_node_id = linkable.deployment
        and coalesce(linkable.repository_key, finished.repository_key) = finished.repository_key
    union all
    select
        linkable.id,
        finished.id,
        finished.finished_at,
        finished.first_revision,
        3,
        (finished.service_key = linkable.service_key and linkable.service_key <> '')::integer
    from linkable
    join of_the_release as finished on
        finished.incident_id = linkable.id
        and finished.repositories = 1
        and finished.under_way_at <= linkable.started_at
    where
        list_contains(
            environments_of(linkable.environment_key, linkable.production_environments), finished.environment_key
        )
),
explicit_links as (
    select incident_id, deployment_id
    from named
    qualify row_number() over (
        partition by incident_id
        order by rule_rank, match_score desc, finished_at desc, first_revision desc
    ) = 1
),
homes as (
    select
        linkable.id,
        min(finished.repository_key) as repository_key,
        count(distinct finished.repository_key) as repositories
    from linkable
    join finished on
        finished.organization = linkable.organization
        and finished.service_key = linkable.service_key
    where linkable.repository_key is null and linkable.service_key <> ''
    group by linkable.id
),
placed as (
    select
        linkable.* replace (coalesce(linkable.repository_key, homes.repository_key) as repository_key),
        case
            when linkable.names_deployment then 'unknown_name'
            when linkable.repository_key is not null then null
            when linkable.service_key = '' then 'names_nothing'
            when homes.id is null then 'unknown_name'
            when homes.repositories > 1 then 'ambiguous_service'
        end as reason
    from linkable
    left join homes using (id)
),
near as (
    select * from finished
    -- Out of a list, as DuckDB takes what is grouped for many.
    where repository_key in (select unnest(list(distinct repository_key)) from placed where reason is null)
),
deployed_there as (
    select distinct placed.id
    from placed
    join near on
        near.organization = placed.organization
        and near.repository_key = placed.repository_key
        and near.environment_key = placed.environment_key
        and (placed.service_key = '' or near.service_key = placed.service_key)
    where placed.reason is null
),
looked_at as (
    select
        placed.*,
        environments_of(
            case
                when list_contains(placed.production_environments, placed.environment_key) and deployed_there.id is null
                    then null
                else placed.environment_key
            end,
            placed.production_environments
        ) as environments
    from placed
    left join deployed_there using (id)
    where placed.reason is null
),
latest as (
    select
        looked_at.id,
        looked_at.started_at,
        looked_at.attribution_gap_days,
        arg_max(
            struct_pack(id := near.id, finished_at := near.finished_at),
            struct_pack(finished_at := near.finished_at, first_revision := near.first_revision)
        ) as deployment
    from looked_at
    join near on
        near.organization = looked_at.organization
        and near.repository_key = looked_at.repository_key
        and (looked_at.service_key = '' or near.service_key = looked_at.service_key)
    where
        near.under_way_at <= looked_at.started_at
        and (near.succeeded or looked_at.started_at between near.started_at and near.finished_at)
        and list_contains(looked_at.environments, near.environment_key)
    group by all
),
under_way as (
    select
        id as incident_id,
        deployment.id as deployment_id,
        deployment.finished_at + to_days(attribution_gap_days) >= started_at as is_near
    from latest
)
select
    placed.id as incident_id,
    placed.organization,
    coalesce(explicit_links.deployment_id, case when under_way.is_near then under_way.deployment_id end)
        as deployment_id,
    case
        when explicit_links.deployment_id is not null then 'explicit'
        when under_way.is_near then 'nearest'
    end as method,
    case
        when explicit_links.deployment_id is not null or coalesce(under_way.is_near, false) then null
        when placed.reason is not null then placed.reason
        when under_way.incident_id is null then 'nothing_deployed'
        else 'too_long_ago'
    end as reason,
    placed.started_at,
    placed.resolved_at,
    placed.first_revision
from placed
left join explicit_links on explicit_links.incident_id = placed.id
left join under_way on under_way.incident_id = placed.id
order by placed.organization, placed.started_at, placed.first_revision
