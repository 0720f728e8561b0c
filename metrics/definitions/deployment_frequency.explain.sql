-- deployment_frequency, row by row: the successful deployments; `seconds` is the duration, where known.
with
counted as (
    select
        true as counted,
        null::varchar as reason,
        'deployment' as kind,
        id,
        id as deployment_id,
        repository_key,
        service_key,
        environment_key,
        group_name,
        finished_at as happened_at,
        is_redeployment,
        epoch_us(finished_at - started_at) / 1e6 as seconds
    from asked_deployments($question::question)
    where succeeded
)
select * from counted
union all by name
select false as counted, 'deployment' as kind, * from deployments_without_success($question::question)
