-- incidents: every incident of the organization, and the deployment that it is attributed to.
-- One row an incident; `resolved_at` is null while it is open, `deployment` and `commit_id` are what it names itself,
-- `deployment_id` is what attribution has found by `method`, null with the `reason` where it found none.
select
    incidents.id,
    coalesce(repository_teams.repository, incidents.repository_key) as repository,
    incidents.repository_key,
    incidents.service,
    incidents.environment,
    repository_teams.team,
    incidents.labels,
    incidents.started_at,
    incidents.resolved_at,
    incidents.change_related,
    incidents.deployment,
    incidents.commit_id,
    incident_links.deployment_id,
    incident_links.method,
    incident_links.reason
from incidents
left join incident_links on incident_links.incident_id = incidents.id
left join repository_teams on
    repository_teams.organization = incidents.organization
    and repository_teams.repository_key = incidents.repository_key
    and repository_teams.service_key = incidents.service_key
where incidents.organization = $organization
order by incidents.started_at, incidents.first_revision
