-- lead_time_for_changes, row by row: the commits, each with the deployment that carried it first.
-- `seconds` is from committed_at to `happened_at`, when that deployment finished.
--
-- `is_derived`: its deployment told no commits, and it is known from pushes.
-- clock_error: the commit says that it is newer than its deployment.
-- carried_before: a deployment says that it carries what an earlier one of its stream has carried.
-- no_commits: a successful deployment that carries no commit.
with
shipped as (
    select *
    from asked_deployments($question::question)
    where succeeded
),
commits as (
    select
        carried.is_first and carried.lead_seconds >= 0 as counted,
        case
            when not carried.is_first then 'carried_before'
            when carried.lead_seconds < 0 then 'clock_error'
        end as reason,
        'commit' as kind,
        carried.sha as id,
        shipped.id as deployment_id,
        case
            when carried.is_first
                then shipped.finished_at - to_microseconds(round(carried.lead_seconds * 1e6)::bigint)
        end as committed_at,
        carried.is_derived,
        case when carried.is_first then carried.lead_seconds end as seconds
    from shipped
    join carried_commits as carried on carried.deployment_id = shipped.id
),
rows_of_commits as (
    select
        commits.*,
        shipped.repository_key,
        shipped.service_key,
        shipped.environment_key,
        shipped.group_name,
        shipped.finished_at as happened_at
    from commits
    join shipped on shipped.id = commits.deployment_id
),
without_commits as (
    select
        false as counted,
        'no_commits' as reason,
        'deployment' as kind,
        id,
        id as deployment_id,
        repository_key,
        service_key,
        environment_key,
        group_name,
        finished_at as happened_at
    from shipped
    where not carries_commits
)
select * from rows_of_commits
union all by name
select * from without_commits
union all by name
select false as counted, 'deployment' as kind, * from deployments_without_success($question::question)
