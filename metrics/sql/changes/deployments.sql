-- What the deployments in `touched` may change: their streams.
insert into changed_deployables
select distinct deployable from touched;
