-- The names of environments, services and teams that the records which may be seen have given.
with
told as (
    select environment_key, environment, service_key, service, team_key, team
    from deployments
    where organization = $organization and may_see({'visible_keys': $visible_keys::varchar[]}, repository_key)
    union all
    select environment_key, environment, service_key, service, null, null
    from incidents
    where organization = $organization and may_see({'visible_keys': $visible_keys::varchar[]}, repository_key)
    union all
    select null, null, service_key, service, team_key, team
    from repositories
    where organization = $organization and may_see({'visible_keys': $visible_keys::varchar[]}, repository_key)
)
select 'environment' as dimension, environment_key as name_key, any_value(environment) as name
from told
where environment_key is not null
group by environment_key
union all
select 'service', service_key, any_value(service)
from told
where service_key is not null
group by service_key
union all
select 'team', team_key, any_value(team)
from told
where team_key is not null
group by team_key
order by dimension, name_key
