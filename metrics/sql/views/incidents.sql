-- incidents: every incident of the organization, and the deployment that it is attributed to.
-- One row an incident; `resolved_at` is null while it is open, `deployment` and `commit_id` are what it names itself,
-- `deployment_id` is what attribution has found by `method`, null with the `reason` where it found none. `created_at`
-- is when it was first recorded, `recorded_at` and `recorded_by` when its last version was, and by whom: null out of a
-- file.
select
    incidents.id,
    details.key,
    details.title,
    details.severity,
    details.url,
    coalesce(repository_teams.repository, incidents.repository_key) as repository,
    incidents.repository_key,
    details.repository_url,
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
    incident_links.reason,
    details.created_at,
    details.recorded_at,
    details.recorded_by
from incidents
left join details_of_incidents as details using (id)
left join incident_links on incident_links.incident_id = incidents.id
left join repository_teams on
    repository_teams.organization = incidents.organization
    and repository_teams.repository_key = incidents.repository_key
    and repository_teams.service_key = incidents.service_key
where incidents.organization = $organization
order by incidents.started_at, incidents.first_revision
