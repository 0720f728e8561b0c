-- The streams of the deployments that have come in, and what others may call them by.
insert into changed_streams
select distinct hash(organization, repository_key, service, environment_key) from incoming;

insert into changed_names
select organization, repository_key, id from incoming
union all
select distinct organization, repository_key, deployment_node_id from incoming
where deployment_node_id is not null;
