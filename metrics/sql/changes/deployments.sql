-- What the deployments in `incoming` may change: their streams.
insert into changed_deployables
select distinct deployable from incoming;
