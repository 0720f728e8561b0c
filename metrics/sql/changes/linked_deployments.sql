-- Streams whose remediations may repair something else: incidents that changed are, or were, linked to them.
insert into changed_deployables
select distinct finished_deployments.deployable
from incident_links
join finished_deployments on finished_deployments.id = incident_links.deployment_id
where incident_links.incident_id in (select incident_id from changed_incidents);
