-- lead_time_for_changes, week by week: how many of its commits have a lead time below the median of all, those that
-- are the median counting half. Whether the median changed, the shares of the weeks before and after tell.
-- One row for each cell, a week of a group.
with
cells as (
    select * from asked_cells($windows::time_window[], $groups::varchar[])
),
lead_times as (
    select cells.cell_index, cells.group_name, commits.lead_seconds
    from cells
    join asked_commits($question::question) as commits on
        is_in_cell(cells, commits.finished_at, commits.group_name)
    where commits.is_first and commits.lead_seconds >= 0
),
medians as (
    select group_name, median_of(lead_seconds) as median
    from lead_times
    group by group_name
),
counts as (
    select
        lead_times.cell_index,
        sum(is_below(lead_times.lead_seconds, medians.median))::double as counted,
        count(*)::double as of_all
    from lead_times
    join medians on medians.group_name is not distinct from lead_times.group_name
    group by lead_times.cell_index
)
select
    cells.cell_index,
    coalesce(counts.counted, 0) as counted,
    coalesce(counts.of_all, 0) as of_all
from cells
left join counts using (cell_index)
order by cells.cell_index
