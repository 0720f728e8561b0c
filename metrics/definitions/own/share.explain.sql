-- A share of one's own, row by row: the deployments chosen; those with `in_numerator` are the numerator.
-- not_chosen: the selection has no row of it.
with
asked as (
    select deployments.*, selected_rows.* exclude (id), selected_rows.id is not null as is_chosen
    from asked_deployments($question::question) as deployments
    left join selected_rows on selected_rows.id = deployments.id
)
select
    is_chosen as counted,
    case when not is_chosen then 'not_chosen' end as reason,
    'deployment' as kind,
    id,
    id as deployment_id,
    repository_key,
    service_key,
    environment_key,
    group_name,
    is_chosen and coalesce(in_numerator, false) as in_numerator,
    finished_at as happened_at
from asked
union all by name
select false as counted, 'deployment' as kind, *
from deployments_left_out($question::question)
where reason <> 'did_not_reach_production'
