-- A frequency of one's own, row by row: the deployments that are chosen and counted.
-- not_counted: the selection says that it is not to be counted.
-- not_chosen: the selection has no row of it.
with
asked as (
    select deployments.*, selected_rows.* exclude (id), selected_rows.id is not null as is_chosen
    from asked_deployments($question::question) as deployments
    left join selected_rows on selected_rows.id = deployments.id
)
select
    is_chosen and coalesce(is_counted, false) as counted,
    case when not is_chosen then 'not_chosen' when not coalesce(is_counted, false) then 'not_counted' end as reason,
    'deployment' as kind,
    id,
    id as deployment_id,
    repository_key,
    service_key,
    environment_key,
    group_name,
    finished_at as happened_at
from asked
union all by name
select false as counted, 'deployment' as kind, *
from deployments_left_out($question::question)
where reason <> 'did_not_reach_production'
