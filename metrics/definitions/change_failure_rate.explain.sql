-- change_failure_rate, row by row: the population, and of it the failed deployments with their causes.
-- Counted rows are the denominator; those with `in_numerator` the numerator. A cause is an incident or a
-- remediation, with the method by which it was linked.
with
counted as (
    select
        true as counted,
        null::varchar as reason,
        'deployment' as kind,
        deployments.id,
        deployments.id as deployment_id,
        deployments.repository_key,
        deployments.service_key,
        deployments.environment_key,
        deployments.group_name,
        deployments.finished_at as happened_at,
        deployments.is_failed as in_numerator,
        list_filter(
            [
                case when deployments.failed_by_incident then 'incident' end,
                case when deployments.failed_by_rollback then 'rollback' end,
                case when deployments.failed_by_hotfix then 'hotfix' end,
                case when deployments.failed_by_fix then 'fix' end,
                case when deployments.failed_by_status then 'status' end
            ],
            lambda signal: signal is not null
        ) as signals,
        failures.causes
    from asked_deployments($question::question) as deployments
    left join failure_causes($question::question) as failures using (id)
    where deployments.in_population
),
left_out as (
    select false as counted, 'deployment' as kind, * from deployments_left_out($question::question)
    union all by name
    select false as counted, * from causes_left_out($question::question)
)
select * from counted
union all by name
select * from left_out
