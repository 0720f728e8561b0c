-- A frequency of one's own: how many of the deployments chosen are counted, per day.
-- unit: per day, the days being seconds / 86,400. window: [from, to), by finished_at. empty: 0.
-- One row for each cell, a window of a group.
with
cells as (
    select * from asked_cells($windows::time_window[], $groups::varchar[])
),
chosen as (
    select deployments.finished_at, deployments.group_name
    from asked_deployments($question::question) as deployments
    join selected_rows using (id)
    where selected_rows.is_counted
)
select
    cells.cell_index,
    frequency_of(count(chosen.finished_at), any_value(cells.from_at), any_value(cells.to_at))['per_day'] as value,
    count(chosen.finished_at) as deployments
from cells
left join chosen on is_in_cell(cells, chosen.finished_at, chosen.group_name)
group by cells.cell_index
order by cells.cell_index
