-- The repositories that every identity belongs to, as repositories have just come in.
create or replace temp table repositories_moved as
select distinct
    repositories.organization,
    repositories.recorded_key,
    coalesce(aliases.repository_key, repositories.recorded_key) as repository_key
from repositories
left join aliases using (organization, recorded_key)
where repositories.organization in (select organization from incoming);

update repositories set repository_key = moved.repository_key
from repositories_moved as moved
where
    repositories.organization = moved.organization
    and repositories.recorded_key = moved.recorded_key
    and repositories.repository_key <> moved.repository_key;

insert into changed_incidents
select incidents.id
from incidents
join repositories_moved as moved using (organization, recorded_key)
where incidents.repository_key <> moved.repository_key;

update incidents set repository_key = moved.repository_key
from repositories_moved as moved
where
    incidents.organization = moved.organization
    and incidents.recorded_key = moved.recorded_key
    and incidents.repository_key <> moved.repository_key;

-- A repository may have pushes and no record of its own.
create or replace temp table pushes_moved as
select
    pushes.id,
    pushes.organization,
    pushes.repository_key as left_key,
    coalesce(aliases.repository_key, pushes.recorded_key) as repository_key
from pushes
left join aliases using (organization, recorded_key)
where
    pushes.organization in (select organization from incoming)
    and pushes.repository_key <> coalesce(aliases.repository_key, pushes.recorded_key);

insert into changed_deployables
select distinct finished_deployments.deployable
from pushes_moved as moved
join finished_deployments on
    finished_deployments.organization = moved.organization
    and finished_deployments.repository_key in (moved.left_key, moved.repository_key);

update pushes set repository_key = moved.repository_key
from pushes_moved as moved
where pushes.id = moved.id;

create or replace temp table deployments_moved as
select
    deployments.id,
    moved.repository_key,
    deployable_of(deployments.organization, moved.repository_key, deployments.service_key) as deployable
from deployments
join repositories_moved as moved using (organization, recorded_key)
where deployments.repository_key <> moved.repository_key;
