-- The environments that a question's names and patterns mean: one that is named, known or not, and those of a pattern.
with
meant as (
    select unnest($names::varchar[]) as environment_key
    union
    select environment_key
    from environments
    where organization = $organization and matches_any_name(environment_key, $names::varchar[])
)
select environment_key
from meant
where not contains(environment_key, '*')
order by environment_key
