-- What is in force for each organization that has records: what it has set, else the defaults, which are bound in.
-- `production_environments` are those that it has named, those that match what it has set with a `*`, and those of
-- which a record has said that they are production.
with
chosen as (
    select
        changed_organizations.organization,
        coalesce(organization_settings.production_environments, $production_environments::varchar[]) as patterns,
        coalesce(organization_settings.attribution_gap_days, $attribution_gap_days) as attribution_gap_days
    from changed_organizations
    left join organization_settings using (organization)
),
named as (
    select organization, unnest(patterns) as environment_key
    from chosen
    union
    select chosen.organization, environments.environment_key
    from chosen
    join environments using (organization)
    where environments.is_said_production or matches_any_name(environments.environment_key, chosen.patterns)
)
select
    chosen.organization,
    coalesce(
        list(named.environment_key order by named.environment_key)
            filter (where not contains(named.environment_key, '*')),
        []
    ) as production_environments,
    chosen.attribution_gap_days
from chosen
left join named using (organization)
group by chosen.organization, chosen.attribution_gap_days
order by chosen.organization
