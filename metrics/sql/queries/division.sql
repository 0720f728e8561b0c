-- The parts of organizations that are worked out in several, each of about `$most` deployments: by repository and
-- service, as deployments were counted under that name.
--
-- A repository is in one part, under all its names; one that is larger than a part is divided by its services.
with
counted_as as (
    select
        counted.*,
        coalesce(aliases.repository_key, counted.repository_key) as own_key,
        sum(counted.deployments) over (
            partition by counted.organization, coalesce(aliases.repository_key, counted.repository_key)
        ) > $most as is_divided
    from counted
    left join aliases on
        aliases.organization = counted.organization
        and aliases.recorded_key = counted.repository_key
),
units as (
    select
        organization,
        own_key,
        is_divided,
        case when is_divided then service_key else '' end as unit,
        sum(deployments) as deployments
    from counted_as
    group by all
),
parts as (
    select
        organization,
        own_key,
        unit,
        1 + (sum(deployments) over (
            partition by organization
            order by deployments desc, own_key, unit
            rows unbounded preceding
        ) - 1)::bigint // $most as part
    from units
)
select
    counted_as.organization,
    counted_as.repository_key,
    counted_as.service_key,
    counted_as.own_key,
    counted_as.is_divided,
    parts.part
from counted_as
join parts on
    parts.organization = counted_as.organization
    and parts.own_key = counted_as.own_key
    and parts.unit = case when counted_as.is_divided then counted_as.service_key else '' end
order by counted_as.organization, parts.part, counted_as.repository_key, counted_as.service_key
