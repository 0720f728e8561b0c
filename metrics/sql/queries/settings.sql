-- What an organization has set; no row where that is nothing.
select timezone, production_environments, failure_signals, attribution_gap_days, benchmark
from organization_settings
where organization = $organization
