-- The environments that are production for the organization, and those that a question's names and patterns mean.
with
meant as (
    select unnest($names::varchar[]) as environment_key
    union
    select environment_key
    from environments
    where organization = $organization and matches_any_name(environment_key, $names::varchar[])
)
select
    (select production_environments from settings where organization = $organization) as production_environments,
    (
        select list(environment_key order by environment_key) filter (where not contains(environment_key, '*'))
        from meant
    ) as environments
