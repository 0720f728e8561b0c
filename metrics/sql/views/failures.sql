-- failures: every deployment that an incident or a remediation says has failed, whatever the signals.
-- One row a deployment; `failed_at` and `recovered_at` as docs/metrics.md, section 3 has them.
with
impaired as (
    select
        deployment_id as id,
        min(started_at) as failed_at,
        case when count(resolved_at) = count(*) then max(resolved_at) end as recovered_at,
        count(*) as incidents
    from incident_links
    where organization = $organization and deployment_id is not null
    group by deployment_id
),
repaired as (
    select culprit_id as id, min(finished_at) as repaired_at, count(*) as remediations
    from remediations
    where organization = $organization and culprit_id is not null
    group by culprit_id
)
select
    finished_deployments.id,
    coalesce(repository_teams.repository, finished_deployments.repository_key) as repository,
    finished_deployments.repository_key,
    deployments.service,
    deployments.environment,
    finished_deployments.finished_at,
    coalesce(impaired.failed_at, finished_deployments.finished_at) as failed_at,
    case when impaired.id is null then repaired.repaired_at else impaired.recovered_at end as recovered_at,
    coalesce(impaired.incidents, 0) as incidents,
    coalesce(repaired.remediations, 0) as remediations
from finished_deployments
join deployments using (id)
left join impaired on impaired.id = finished_deployments.id
left join repaired on repaired.id = finished_deployments.id
left join repository_teams on
    repository_teams.organization = finished_deployments.organization
    and repository_teams.repository_key = finished_deployments.repository_key
    and repository_teams.service_key = ''
where
    finished_deployments.organization = $organization
    and (impaired.id is not null or repaired.id is not null)
order by finished_deployments.finished_at, finished_deployments.first_revision
