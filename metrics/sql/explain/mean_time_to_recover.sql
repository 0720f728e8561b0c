-- mean_time_to_recover, row by row: the failed deployments that recovered, with `seconds` and their causes.
-- `open` are those that have not. Deployments that did not fail are in no row, and every incident of the
-- window is: counted_by_its_deployment where it is a cause of one of those above.
with
failed as (
    select
        deployments.recovered_at is not null as counted,
        case when deployments.recovered_at is null then 'open' end as reason,
        'deployment' as kind,
        deployments.id,
        deployments.id as deployment_id,
        deployments.repository_key,
        deployments.service,
        deployments.environment_key,
        deployments.group_name,
        deployments.finished_at as happened_at,
        deployments.failed_at,
        deployments.recovered_at,
        epoch_us(deployments.recovered_at - deployments.failed_at) / 1e6 as seconds,
        failures.causes
    from asked_deployments($question::question) as deployments
    left join failure_causes($question::question) as failures using (id)
    where deployments.is_failed
),
left_out as (
    select false as counted, 'deployment' as kind, * from deployments_left_out($question::question)
    union all by name
    select
        false as counted,
        * replace (coalesce(reason, 'counted_by_its_deployment') as reason)
    from causes_judged($question::question)
    where reason is not null or kind = 'incident'
)
select * from failed
union all by name
select * from left_out
