-- A time of one's own, week by week: how many are below the median of all, those that are the median counting half.
-- One row for each cell, a week of a group.
with
cells as (
    select * from asked_cells($windows::time_window[], $groups::varchar[])
),
times as (
    select cells.cell_index, cells.group_name, selected_rows.seconds
    from cells
    join asked_deployments($question::question) as deployments on
        is_in_cell(cells, deployments.finished_at, deployments.group_name)
    join selected_rows on selected_rows.id = deployments.id
    where selected_rows.seconds is not null
),
medians as (
    select group_name, median_of(seconds) as median
    from times
    group by group_name
),
counts as (
    select
        times.cell_index,
        sum(is_below(times.seconds, medians.median))::double as counted,
        count(*)::double as of_all
    from times
    join medians on medians.group_name is not distinct from times.group_name
    group by times.cell_index
)
select
    cells.cell_index,
    coalesce(counts.counted, 0) as counted,
    coalesce(counts.of_all, 0) as of_all
from cells
left join counts using (cell_index)
order by cells.cell_index
