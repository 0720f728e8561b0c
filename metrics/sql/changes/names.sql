-- What the deployments in `incoming` may be called by what was there before: it may mean another one now.
insert into changed_names
select organization, repository_key, service_key, id from incoming
union all
select distinct organization, repository_key, service_key, deployment_node_id from incoming
where deployment_node_id is not null;
