-- Every version of what an organization has set that figures depend on, the first one first.
select
    epoch_us(recorded_at) as recorded_us,
    recorded_by,
    timezone,
    production_environments,
    failure_signals,
    attribution_gap_days
from settings_versions
where organization = $organization
order by revision
