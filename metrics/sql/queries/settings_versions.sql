-- Every version of what an organization has set that figures depend on, the first one first.
select
    * exclude (recorded_at),
    epoch_us(recorded_at) as recorded_us
from settings_versions
where organization = $organization
order by revision
