-- After a change of settings every stream of the organization is looked at again. Its incidents are too, where the
-- settings changed or another environment is production now.
insert into changed_deployables
select distinct deployable from deployments
where organization in (select organization from changed_settings);

insert into changed_incidents
select id from incidents
where
    organization in (select organization from changed_settings)
    or organization in (
        select settings.organization
        from settings
        join settings_before using (organization)
        where settings.production_environments <> settings_before.production_environments
    );
