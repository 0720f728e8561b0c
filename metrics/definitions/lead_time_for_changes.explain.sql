-- lead_time_for_changes, row by row: the commits, each with the deployment that carried it first.
-- `seconds` is from committed_at to `happened_at`, when that deployment finished.
--
-- clock_error: the commit says that it is newer than its deployment.
-- carried_before: a deployment says that it carries what an earlier one of its stream has carried.
-- no_commits: a successful deployment that names no commit.
with
shipped as (
    select *
    from asked_deployments($question::question)
    where succeeded
),
first_carried as (
    select
        shipped.id as deployment_id,
        commits.sha,
        commits.lead_seconds as seconds,
        shipped.finished_at - to_microseconds(round(commits.lead_seconds * 1e6)::bigint) as committed_at
    from shipped
    join carried_commits as commits on commits.deployment_id = shipped.id
),
named as (
    select distinct shipped.id as deployment_id, named_commits.sha
    from shipped
    join deployments using (id)
    cross join unnest(list_transform(deployments.commits, lambda one: one.sha)) as named_commits(sha)
),
commits as (
    select
        coalesce(first_carried.seconds >= 0, false) as counted,
        case
            when first_carried.sha is null then 'carried_before'
            when first_carried.seconds < 0 then 'clock_error'
        end as reason,
        'commit' as kind,
        named.sha as id,
        named.deployment_id,
        first_carried.committed_at,
        first_carried.seconds
    from named
    left join first_carried using (deployment_id, sha)
),
rows_of_commits as (
    select
        commits.*,
        shipped.repository_key,
        shipped.service,
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
        service,
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
