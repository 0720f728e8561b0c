-- A share of one's own: of the deployments chosen, how many are in the numerator.
-- unit: ratio. window: [from, to), by the deployment's own finished_at. empty: 0 of 0.
-- One row for each cell, a window of a group.
with
cells as (
    select * from asked_cells($windows::time_window[], $groups::varchar[])
),
chosen as (
    select deployments.finished_at, deployments.group_name, selected_rows.in_numerator
    from asked_deployments($question::question) as deployments
    join selected_rows using (id)
)
select
    cells.cell_index,
    count(*) filter (where chosen.in_numerator) as numerator,
    count(chosen.finished_at) as denominator
from cells
left join chosen on is_in_cell(cells, chosen.finished_at, chosen.group_name)
group by cells.cell_index
order by cells.cell_index
