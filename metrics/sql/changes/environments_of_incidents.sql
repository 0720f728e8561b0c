-- The organizations whose environments may be others, now that these incidents have come in: a new one is named,
-- or a record is not what it was.
insert into changed_organizations
select distinct incoming.organization
from incoming
left join environments using (organization, environment_key)
where
    (incoming.environment_key is not null and environments.environment_key is null)
    or incoming.revision <> incoming.first_revision
except
select organization from changed_organizations;
