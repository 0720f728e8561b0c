-- What is in force for each organization that has records: what it has set, else the defaults, which are bound in.
select
    changed_organizations.organization,
    coalesce(organization_settings.timezone, $timezone) as timezone,
    coalesce(organization_settings.production_environments, $production_environments::varchar[])
        as production_environments,
    coalesce(organization_settings.failure_signals, $failure_signals::varchar[]) as failure_signals,
    coalesce(organization_settings.attribution_gap_days, $attribution_gap_days) as attribution_gap_days
from changed_organizations
left join organization_settings using (organization)
order by changed_organizations.organization
