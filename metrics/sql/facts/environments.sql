-- The environments that records of an organization have named; `is_said_production` where one has said so.
select
    organization,
    environment_key,
    bool_or(is_said_production) as is_said_production
from (
    select organization, environment_key, coalesce(production, false) as is_said_production
    from deployments
    union all
    select organization, environment_key, false
    from incidents
    where environment_key is not null
)
where organization in (select organization from changed_organizations)
group by organization, environment_key
order by organization, environment_key
