-- How the services of an organization were first sent, by what they are compared by.
select name_key, arg_min(name, first_revision) as name
from (
    select service_key as name_key, service as name, first_revision
    from deployments
    where organization = $organization and service_key in (select unnest($keys::varchar[]))
    union all
    select service_key, service, first_revision
    from incidents
    where organization = $organization and service_key in (select unnest($keys::varchar[]))
)
group by name_key
order by name_key
