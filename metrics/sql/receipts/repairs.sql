-- What a deployment repairs: its signals, the deployment that it marks as failed, and by which rule.
-- One row where it is a remediation, else none; `deployment_id` is null where nobody knows what it repairs.
select
    remediations.culprit_id as deployment_id,
    remediations.method,
    remediations.signals,
    culprits.succeeded as culprit_succeeded,
    unattributed_reason(repairs.remediates is not null) as without_link
from remediations
join finished_deployments as repairs on repairs.id = remediations.id
left join finished_deployments as culprits on culprits.id = remediations.culprit_id
where remediations.organization = $organization and remediations.id = $id
