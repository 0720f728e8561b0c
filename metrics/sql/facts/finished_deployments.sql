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
        partition by organization, repository_key, service_key, environment_key
        order by finished_at, first_revision
    )
),
releases as (
    select
        *,
        min(position) over (
            partition by organization, repository_key, service_key, environment_key, release
        ) as first_position,
        lag(position) over (
            partition by organization, repository_key, service_key, environment_key, release
            order by position
        ) as earlier_position
    from streams
),
replacements as (
    select
        *,
        lag(first_position) over (
            partition by organization, repository_key, service_key, environment_key
            order by position
        ) as previous_first_position,
        coalesce(release = previous_release, false) as is_redeployment
    from releases
),
next_successes as (
    select
        id,
        min(case when succeeded then finished_at end) over (
            partition by organization, repository_key, service_key, environment_key
            order by finished_at, first_revision
            rows between 1 following and unbounded following
        ) as next_success_at
    from finished
)
select
    finished.id,
    finished.organization,
    finished.repository_key,
    finished.service_key,
    finished.environment_key,
    finished.deployable,
    finished.first_revision,
    finished.deployment_node_id,
    finished.branch,
    finished.team_key,
    finished.labels,
    finished.remediates,
    finished.is_hotfix,
    finished.is_fix,
    finished.carries_commits,
    finished.tells_commits,
    finished.tells_head_alone,
    false as derives_commits,
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
