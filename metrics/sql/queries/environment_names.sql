-- How the environments of an organization were first sent, by what they are compared by.
select name_key, arg_min(name, first_revision) as name
from (
    select environment_key as name_key, environment as name, first_revision
    from deployments
    where organization = $organization and environment_key in (select unnest($keys::varchar[]))
    union all
    select environment_key, environment, first_revision
    from incidents
    where organization = $organization and environment_key in (select unnest($keys::varchar[]))
)
group by name_key
order by name_key
