-- What became of finished deployments of the window, by their ids: by what each failed, until when, what it repaired,
-- and the median lead time, in seconds, of the commits that it carried first. One row for each that is asked for.
with
lead_times as (
    select deployment_id as id, quantile_cont(lead_seconds, 0.5) as lead_time_seconds
    from carried_commits
    where is_first and lead_seconds >= 0 and list_contains($ids::varchar[], deployment_id)
    group by deployment_id
)
select
    asked.id,
    list_filter(
        [
            case when asked.failed_by_incident then 'incident' end,
            case when asked.failed_by_rollback then 'rollback' end,
            case when asked.failed_by_hotfix then 'hotfix' end,
            case when asked.failed_by_fix then 'fix' end,
            case when asked.failed_by_status then 'status' end
        ],
        lambda signal: signal is not null
    ) as failed,
    asked.is_failed,
    asked.seconds_to_recover,
    asked.is_remediation,
    list_filter(
        [
            case when asked.repairs_by_rollback then 'rollback' end,
            case when asked.repairs_by_hotfix then 'hotfix' end,
            case when asked.repairs_by_fix then 'fix' end
        ],
        lambda signal: signal is not null
    ) as repair_signals,
    case when may_see($question::question, culprits.repository_key) then culprits.id end as repairs_id,
    remediations.method,
    lead_times.lead_time_seconds
from asked_deployments($question::question) as asked
left join remediations on remediations.id = asked.id
left join finished_deployments as culprits on culprits.id = remediations.culprit_id
left join lead_times on lead_times.id = asked.id
where list_contains($ids::varchar[], asked.id)
order by asked.id
