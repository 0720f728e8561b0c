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
shipped as materialized (
    select
        row_number() over () as number,
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
-- What stands in order does so by numbers: by names it takes longer.
numbered_streams as (
    select
        organization,
        repository_key,
        service_key,
        environment_key,
        row_number() over () as stream
    from shipped
    group by organization, repository_key, service_key, environment_key
),
carried as (
    select shipped.number, shipped.organization, shipped.repository_key, told.sha, told.committed_at, false as is_derived
    from shipped
    join told using (id)
    union all
    select shipped.number, shipped.organization, shipped.repository_key, told.sha, told.committed_at, false
    from shipped
    join told using (organization, repository_key, service_key, release)
    where not shipped.tells_commits
    union all
    select shipped.number, shipped.organization, shipped.repository_key, derived.sha, derived.committed_at, true
    from shipped
    join derived_commits as derived on derived.deployment_id = shipped.id
),
named as (
    select
        carried.number,
        coalesce(commit_names.whole, carried.sha) as sha,
        min(carried.committed_at) as committed_at,
        bool_and(carried.is_derived) as is_derived
    from carried
    left join commit_names on
        commit_names.organization = carried.organization
        and commit_names.repository_key = carried.repository_key
        and commit_names.short = carried.sha
    group by all
),
placed as (
    select
        named.*,
        row_number() over (partition by numbered_streams.stream, named.sha order by shipped.position) = 1 as is_first
    from named
    join shipped using (number)
    join numbered_streams using (organization, repository_key, service_key, environment_key)
)
select
    shipped.organization,
    shipped.deployable,
    shipped.id as deployment_id,
    shipped.finished_at,
    placed.sha,
    placed.is_derived,
    placed.is_first,
    epoch_us(shipped.finished_at - placed.committed_at) / 1e6 as lead_seconds
from placed
join shipped using (number)
order by shipped.organization, shipped.finished_at, deployment_id, placed.sha
