-- The organizations whose environments may be others, now that these deployments have come in: a new one is named,
-- or called production, or a record is not what it was.
insert into changed_organizations
select distinct incoming.organization
from incoming
left join environments using (organization, environment_key)
where
    environments.environment_key is null
    or (incoming.production and not environments.is_said_production)
    or incoming.revision <> incoming.first_revision
except
select organization from changed_organizations;
