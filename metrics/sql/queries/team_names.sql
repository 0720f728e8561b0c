-- How the teams of an organization were first sent, by what they are compared by.
select name_key, arg_min(name, first_revision) as name
from (
    select team_key as name_key, team as name, first_revision
    from deployments
    where organization = $organization and team_key in (select unnest($keys::varchar[]))
    union all
    select team_key, team, 9_223_372_036_854_775_807
    from repositories
    where organization = $organization and team_key in (select unnest($keys::varchar[]))
)
group by name_key
order by name_key
