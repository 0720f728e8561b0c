-- The incidents of an organization. One that names no repository belongs to that of the deployment it names.
create or replace macro placed_incidents(question) as table
select incidents.* replace (coalesce(incidents.repository_key, named.repository_key) as repository_key)
from incidents
left join incident_links on incident_links.incident_id = incidents.id
-- What no change has caused has no link, and may name a deployment all the same.
left join finished_deployments as named on
    named.organization = incidents.organization
    and named.id = coalesce(incident_links.deployment_id, incidents.deployment)
where incidents.organization = question['organization'];
