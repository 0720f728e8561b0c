-- A time of one's own: the median of the seconds of the deployments chosen.
-- unit: seconds; median, mean and p90. window: [from, to), by the deployment's own finished_at.
-- empty: null. A deployment without a time is left out.
-- One row for each cell, a window of a group.
with
cells as (
    select * from asked_cells($windows::time_window[], $groups::varchar[])
),
times as (
    select
        cells.cell_index,
        week_of(deployments.finished_at, cells.from_at) as week,
        selected_rows.seconds
    from cells
    join asked_deployments($question::question) as deployments on
        is_in_cell(cells, deployments.finished_at, deployments.group_name)
    join selected_rows on selected_rows.id = deployments.id
    where selected_rows.seconds is not null
),
totals as (
    select
        cell_index,
        median_of(seconds) as value,
        avg(seconds) as mean,
        quantile_cont(seconds, 0.9) as p90,
        count(*) as deployments,
        list(seconds order by seconds) as ordered_seconds
    from times
    group by cell_index
),
by_week as (
    select cell_index, sum(is_below(times.seconds, totals.value) - 0.5) as apart
    from times
    join totals using (cell_index)
    group by cell_index, week
),
-- What is deployed in one week comes together: a week is a cluster. It says something from six deployments on, and of
-- weeks from four.
spreads as (
    select
        cell_index,
        [case when count(*) >= 4 then {'clusters': count(*), 'squares': sum(apart * apart)} end] as ways
    from by_week
    group by cell_index
)
select
    cells.cell_index,
    totals.value,
    median_bounds_by_reach(
        totals.ordered_seconds,
        case when totals.deployments >= 6 then widest_reach(totals.deployments, spreads.ways) end
    ) as median_interval95,
    totals.mean,
    totals.p90,
    coalesce(totals.deployments, 0) as deployments
from cells
left join totals using (cell_index)
left join spreads using (cell_index)
order by cells.cell_index
