-- What the deployments in `touched` may be called by what was there before: it may mean another one now.
insert into changed_names
select organization, repository_key, service_key, id from touched
union all
select distinct organization, repository_key, service_key, deployment_node_id from touched
where deployment_node_id is not null;
