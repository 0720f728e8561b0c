-- What the deployments in `touched` may change: their streams, and whatever names them.
insert into changed_deployables
select distinct deployable from touched;

insert into changed_names
select organization, repository_key, service_key, id from touched
union all
select distinct organization, repository_key, service_key, deployment_node_id from touched
where deployment_node_id is not null;
