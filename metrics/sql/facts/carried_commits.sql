-- Each commit that a successful deployment of the streams that changed carries: `is_first` where none of its stream
-- carried it before, when it got there, and how long that took.
--
-- A deployment that tells no commits carries those that were told with the same release of its repository and
-- service elsewhere: with an attempt that failed, or in another environment; else those that are derived from pushes.
-- Which deployment is first is settled over the whole stream, before any query leaves something out.
-- `lead_seconds` is finished_at minus committed_at; below zero it is a clock error, which the metric
-- leaves out and counts.
with
told as (
    select
        id,
        organization,
        repository_key,
        service_key,
        release,
        unnest(commits, recursive := true)
    from released_deployments
    where deployable in (select deployable from changed_deployables)
),
shipped as (
    select
        id,
        organization,
        repository_key,
        service_key,
        environment_key,
        deployable,
        position,
        finished_at,
        release,
        tells_commits
    from finished_deployments
    where
        succeeded
        and carries_commits
        and deployable in (select deployable from changed_deployables)
),
carried as (
    select shipped.*, told.sha as told_sha, told.committed_at, false as is_derived
    from shipped
    join told using (id)
    union all
    select shipped.*, told.sha, told.committed_at, false
    from shipped
    join told using (organization, repository_key, service_key, release)
    where not shipped.tells_commits
    union all
    select shipped.*, derived.sha, derived.committed_at, true
    from shipped
    join derived_commits as derived on derived.deployment_id = shipped.id
),
named as (
    select carried.*, coalesce(commit_names.whole, carried.told_sha) as sha
    from carried
    left join commit_names on
        commit_names.organization = carried.organization
        and commit_names.repository_key = carried.repository_key
        and commit_names.short = carried.told_sha
)
select
    organization,
    deployable,
    id as deployment_id,
    finished_at,
    sha,
    is_derived,
    row_number() over (
        partition by organization, repository_key, service_key, environment_key, sha
        order by position, committed_at
    ) = 1 as is_first,
    epoch_us(finished_at - committed_at) / 1e6 as lead_seconds
from named
qualify row_number() over (partition by id, sha order by committed_at) = 1
order by organization, finished_at, deployment_id, sha
