-- What an organization has set; no row where that is nothing.
select *
from organization_settings
where organization = $organization
