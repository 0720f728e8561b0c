-- What a deployment repairs: its signals, the deployment that it marks as failed, and by which rule.
-- One row where it is a remediation, else none; `deployment_id` is null where nobody knows what it repairs.
-- One that may not be seen is not named. `signals` bound are those that make failures; reached_production: whether the
-- one it repairs is counted.
select
    case
        when may_see({'visible_keys': $visible_keys::varchar[]}, culprits.repository_key)
            then remediations.culprit_id
    end as deployment_id,
    remediations.culprit_id is not null as is_known,
    remediations.method,
    remediations.signals,
    is_in_population(
        {'signals': $signals::varchar[]},
        culprits.succeeded,
        list_contains($signals::varchar[], 'incident')
        and culprits.id in (
            select incident_links.deployment_id from incident_links where incident_links.deployment_id is not null
        )
    ) as reached_production,
    unattributed_reason(repairs.remediates is not null) as without_link
from remediations
join finished_deployments as repairs on repairs.id = remediations.id
left join finished_deployments as culprits on culprits.id = remediations.culprit_id
where remediations.organization = $organization and remediations.id = $id
