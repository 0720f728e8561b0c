-- After a change of settings: every stream and every incident of the organization is looked at again.
insert into changed_streams
select distinct stream from deployments
where organization in (select organization from changed_settings);

insert into changed_incidents
select id from incidents
where organization in (select organization from changed_settings);
