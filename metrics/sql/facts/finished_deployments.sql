-- Every finished deployment of the streams that changed, with its place in its stream and all that is
-- asked of it: no query has to look at the records again.
--
-- A stream is the successful deployments of one (organization, repository, service, environment), by
-- finished_at, ties by the order in which they were first recorded; `position` counts it from 1. A
-- deployment that failed stands beside the stream: it has no position.
-- `release` is null where it is not known. `redeploys_position` is the latest earlier position of the
-- same release. `next_success_at` is when the stream next succeeded, after this deployment.
with
finished as (
    select
        id,
        organization,
        repository_key,
        service,
        environment_key,
        first_revision,
        status = 'success' as succeeded,
        started_at,
        finished_at,
        is_rollback as flagged_rollback,
        stream,
        commit_id,
        deployment_node_id,
        branch,
        team,
        labels,
        remediates,
        is_hotfix,
        is_fix,
        len(commits) > 0 as carries_commits,
        case
            when commit_id is not null then lower(commit_id)
            when lower(version) <> 'latest' then lower(version)
        end as release
    from deployments
    where
        stream in (select stream from changed_streams)
        and status in ('success', 'fail')
),
streams as (
    select
        *,
        row_number() over stream as position,
        lag(id) over stream as previous_id,
        lag(finished_at) over stream as previous_finished_at,
        lag(release) over stream as previous_release
    from finished
    where succeeded
    window stream as (
        partition by organization, repository_key, service, environment_key
        order by finished_at, first_revision
    )
),
releases as (
    select
        *,
        min(position) over (
            partition by organization, repository_key, service, environment_key, release
        ) as first_position,
        lag(position) over (
            partition by organization, repository_key, service, environment_key, release
            order by position
        ) as earlier_position
    from streams
),
replacements as (
    select
        *,
        lag(first_position) over (
            partition by organization, repository_key, service, environment_key
            order by position
        ) as previous_first_position,
        coalesce(release = previous_release, false) as is_redeployment
    from releases
),
next_successes as (
    select
        id,
        min(case when succeeded then finished_at end) over (
            partition by organization, repository_key, service, environment_key
            order by finished_at, first_revision
            rows between 1 following and unbounded following
        ) as next_success_at
    from finished
)
select
    finished.id,
    finished.organization,
    finished.repository_key,
    finished.service,
    finished.environment_key,
    finished.stream,
    finished.first_revision,
    finished.commit_id,
    finished.deployment_node_id,
    finished.branch,
    finished.team,
    finished.labels,
    finished.remediates,
    finished.is_hotfix,
    finished.is_fix,
    finished.carries_commits,
    finished.succeeded,
    finished.started_at,
    finished.finished_at,
    finished.release,
    replacements.position,
    replacements.previous_id,
    replacements.previous_finished_at,
    case when finished.release is not null then replacements.earlier_position end as redeploys_position,
    coalesce(replacements.is_redeployment, false) as is_redeployment,
    finished.succeeded and coalesce(
        finished.flagged_rollback,
        finished.release is not null
        and replacements.previous_release is not null
        and replacements.first_position < replacements.previous_first_position,
        false
    ) as is_rollback,
    next_successes.next_success_at
from finished
left join replacements using (id)
join next_successes using (id)
order by finished.organization, finished.finished_at, finished.first_revision
