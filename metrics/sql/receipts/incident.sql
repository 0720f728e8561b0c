-- What an incident marks as failed: the deployment, and by which rule; both null where none is known.
select
    incident_links.deployment_id,
    incident_links.method,
    incidents.change_related,
    incident_links.reason as without_link
from incidents
left join incident_links on incident_links.incident_id = incidents.id
where incidents.organization = $organization and incidents.id = $id
