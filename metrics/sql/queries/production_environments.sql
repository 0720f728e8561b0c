-- The environments that are production for the organization; no row where nothing is recorded of it.
select production_environments
from settings
where organization = $organization
