-- Streams whose remediations may repair something else: incidents are linked to them now, or one of their
-- deployments names what changed.
insert into changed_deployables
select distinct finished_deployments.deployable
from incident_links
join finished_deployments on finished_deployments.id = incident_links.deployment_id
where incident_links.incident_id in (select incident_id from changed_incidents);

insert into changed_deployables
select distinct finished_deployments.deployable
from finished_deployments
semi join changed_names on
    changed_names.organization = finished_deployments.organization
    and changed_names.name = finished_deployments.remediates
where finished_deployments.remediates is not null;
