-- What may be another now that all parts of an organization are there: its environments and settings, what its
-- incidents are linked to, and the culprits of deployments that name one of another stream.
insert into changed_organizations
select distinct organization from deployments;

insert into changed_incidents
select id from incidents;

insert into changed_deployables
select naming.deployable
from finished_deployments as naming
join finished_deployments as named on
    named.organization = naming.organization
    and named.id = naming.remediates
where named.deployable <> naming.deployable
union
select naming.deployable
from finished_deployments as naming
join finished_deployments as named on
    named.organization = naming.organization
    and named.repository_key = naming.repository_key
    and named.deployment_node_id = naming.remediates
where named.deployable <> naming.deployable;
