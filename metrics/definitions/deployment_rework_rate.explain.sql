-- deployment_rework_rate, row by row: the successful deployments, and of them the remediations.
-- Counted rows are the denominator; those with `in_numerator` the numerator, with the deployment that
-- they repair, null where nobody knows it, and the method by which it was found.
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
        deployments.is_remediation as in_numerator,
        list_filter(
            [
                case when deployments.repairs_by_rollback then 'rollback' end,
                case when deployments.repairs_by_hotfix then 'hotfix' end,
                case when deployments.repairs_by_fix then 'fix' end
            ],
            lambda signal: signal is not null
        ) as signals,
        case
            when deployments.is_remediation and may_see($question::question, culprits.repository_key)
                then culprits.id
        end as repairs_id,
        case when deployments.is_remediation then remediations.method end as method
    from asked_deployments($question::question) as deployments
    left join remediations using (id)
    left join finished_deployments as culprits on culprits.id = remediations.culprit_id
    where deployments.succeeded
)
select * from counted
union all by name
select false as counted, 'deployment' as kind, * from deployments_without_success($question::question)
