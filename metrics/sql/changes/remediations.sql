-- Streams whose remediations may repair something else: one of their deployments names what changed.
insert into changed_deployables
select distinct finished_deployments.deployable
from finished_deployments
semi join changed_names on
    changed_names.organization = finished_deployments.organization
    and changed_names.name = finished_deployments.remediates
where finished_deployments.remediates is not null;
