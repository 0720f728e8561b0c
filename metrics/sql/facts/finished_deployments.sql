-- Every finished deployment of the streams that changed, with its place in its stream and all that is
-- asked of it: no query has to look at the records again.
--
-- A stream is the successful deployments of one (organization, repository, service, environment), by
-- finished_at, ties by the order in which they were first recorded; `position` counts it from 1. A
-- deployment that failed stands beside the stream: it has no position.
-- `team_key` is its own, else its service's or its repository's. `release` is null where it is not known.
-- `redeploys_position` is the latest earlier position of the same release. `next_success_at` is when the stream next
-- succeeded, after this deployment.
-- `tells_commits`: its record names some; `tells_head_alone`: no other than the deployed one; `carries_commits`: it
-- tells some, or another of its release does, or they are known from pushes, which `derives_commits` says and
-- changes/derived_commits.sql finds out.
with
recorded as materialized (
    select
        row_number() over () as number,
        deployments.id,
        deployments.organization,
        deployments.repository_key,
        deployments.service_key,
        deployments.environment_key,
        deployments.deployable,
        deployments.first_revision,
        deployments.status,
        deployments.started_at,
        deployments.finished_at,
        deployments.is_rollback as flagged_rollback,
        deployments.deployment_node_id,
        deployments.branch,
        coalesce(deployments.team_key, repository_teams.team_key) as team_key,
        deployments.labels,
        deployments.remediates,
        deployments.is_hotfix,
        deployments.is_fix,
        len(deployments.commits) > 0 as tells_commits,
        len(deployments.commits) = 1
        and coalesce(starts_with(deployments.commits[1]['sha'], left(deployments.commit_id, 7)), false)
            as tells_head_alone,
        deployments.release
    from released_deployments as deployments
    left join repository_teams using (organization, repository_key, service_key)
    where deployments.deployable in (select deployable from changed_deployables)
),
-- What stands in order does so by numbers, and without what it is not asked for: by names, with all that is recorded,
-- it takes four times as long.
numbered_streams as (
    select
        organization,
        repository_key,
        service_key,
        environment_key,
        row_number() over () as stream
    from recorded
    group by organization, repository_key, service_key, environment_key
),
numbered_releases as (
    select
        organization,
        repository_key,
        service_key,
        release,
        row_number() over () as release_number,
        bool_or(tells_commits) as is_told
    from recorded
    where release is not null
    group by organization, repository_key, service_key, release
),
finished as (
    select
        recorded.number,
        recorded.id,
        recorded.finished_at,
        recorded.first_revision,
        recorded.status = 'success' as succeeded,
        recorded.tells_commits or coalesce(numbered_releases.is_told, false) as carries_commits,
        numbered_streams.stream,
        numbered_releases.release_number as release
    from recorded
    join numbered_streams using (organization, repository_key, service_key, environment_key)
    left join numbered_releases using (organization, repository_key, service_key, release)
    where recorded.status in ('success', 'fail')
),
-- Those that failed are numbered beside the stream, and have no place in it.
streams as (
    select
        *,
        row_number() over stream as position,
        lag(id) over stream as previous_id,
        lag(finished_at) over stream as previous_finished_at,
        lag(release) over stream as previous_release,
        min(case when succeeded then finished_at end) over (
            partition by stream
            order by finished_at, first_revision
            rows between 1 following and unbounded following
        ) as next_success_at
    from finished
    window stream as (
        partition by stream, succeeded
        order by finished_at, first_revision
    )
),
releases as (
    select
        *,
        min(position) over (partition by stream, succeeded, release) as first_position,
        lag(position) over (partition by stream, succeeded, release order by position) as earlier_position
    from streams
),
replacements as (
    select
        *,
        lag(first_position) over (partition by stream, succeeded order by position) as previous_first_position
    from releases
)
select
    recorded.id,
    recorded.organization,
    recorded.repository_key,
    recorded.service_key,
    recorded.environment_key,
    recorded.deployable,
    recorded.first_revision,
    recorded.deployment_node_id,
    recorded.branch,
    recorded.team_key,
    recorded.labels,
    recorded.remediates,
    recorded.is_hotfix,
    recorded.is_fix,
    placed.carries_commits,
    recorded.tells_commits,
    recorded.tells_head_alone,
    false as derives_commits,
    placed.succeeded,
    recorded.started_at,
    recorded.finished_at,
    recorded.release,
    case when placed.succeeded then placed.position end as position,
    case when placed.succeeded then placed.previous_id end as previous_id,
    case when placed.succeeded then placed.previous_finished_at end as previous_finished_at,
    case when placed.succeeded and recorded.release is not null then placed.earlier_position end as redeploys_position,
    placed.succeeded and coalesce(placed.release = placed.previous_release, false) as is_redeployment,
    placed.succeeded and coalesce(
        recorded.flagged_rollback,
        placed.release is not null
        and placed.previous_release is not null
        and placed.first_position < placed.previous_first_position,
        false
    ) as is_rollback,
    placed.next_success_at
from replacements as placed
join recorded using (number)
order by recorded.organization, recorded.finished_at, recorded.first_revision
