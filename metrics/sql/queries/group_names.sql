-- The names in the dimension that a question groups by, the most deployed first; null for what has none.
with counts as (
    select
        group_name,
        count(*) as deployments
    from asked_deployments($question::question)
    group by group_name
)

select names.group_name
from group_names($question::question) as names
left join counts on names.group_name is not distinct from counts.group_name
order by coalesce(counts.deployments, 0) desc, names.group_name nulls last
