-- What is in force for each organization that has records: what it has set, else the defaults.
select
    changed_organizations.organization,
    coalesce(organization_settings.timezone, 'UTC') as timezone,
    coalesce(organization_settings.production_environments, ['production', 'prod', 'live'])
        as production_environments,
    coalesce(organization_settings.failure_signals, ['incident', 'rollback', 'hotfix', 'fix'])
        as failure_signals,
    coalesce(organization_settings.attribution_gap_days, 30) as attribution_gap_days
from changed_organizations
left join organization_settings using (organization)
order by changed_organizations.organization
