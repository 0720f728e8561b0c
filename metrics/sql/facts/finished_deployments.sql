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
recorded as (
    select
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
told as (
    select
        *,
        tells_commits or (
            release is not null
            and bool_or(tells_commits) over (partition by organization, repository_key, service_key, release)
        ) as carries_commits
    from recorded
),
finished as (
    select *, status = 'success' as succeeded
    from told
    where status in ('success', 'fail')
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
            partition by organization, repository_key, service_key, environment_key
            order by finished_at, first_revision
            rows between 1 following and unbounded following
        ) as next_success_at
    from finished
    window stream as (
        partition by organization, repository_key, service_key, environment_key, succeeded
        order by finished_at, first_revision
    )
),
releases as (
    select
        *,
        min(position) over (
            partition by organization, repository_key, service_key, environment_key, succeeded, release
        ) as first_position,
        lag(position) over (
            partition by organization, repository_key, service_key, environment_key, succeeded, release
            order by position
        ) as earlier_position
    from streams
),
replacements as (
    select
        *,
        lag(first_position) over (
            partition by organization, repository_key, service_key, environment_key, succeeded
            order by position
        ) as previous_first_position
    from releases
)
select
    id,
    organization,
    repository_key,
    service_key,
    environment_key,
    deployable,
    first_revision,
    deployment_node_id,
    branch,
    team_key,
    labels,
    remediates,
    is_hotfix,
    is_fix,
    carries_commits,
    tells_commits,
    tells_head_alone,
    false as derives_commits,
    succeeded,
    started_at,
    finished_at,
    release,
    case when succeeded then position end as position,
    case when succeeded then previous_id end as previous_id,
    case when succeeded then previous_finished_at end as previous_finished_at,
    case when succeeded and release is not null then earlier_position end as redeploys_position,
    succeeded and coalesce(release = previous_release, false) as is_redeployment,
    succeeded and coalesce(
        flagged_rollback,
        release is not null
        and previous_release is not null
        and first_position < previous_first_position,
        false
    ) as is_rollback,
    next_success_at
from replacements
order by organization, finished_at, first_revision
