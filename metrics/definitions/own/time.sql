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
-- What is deployed in one week comes together: a week is a cluster.
spreads as (
    select cell_index, count(*) as clusters, sum(apart * apart) as squares
    from by_week
    group by cell_index
    union all
    -- If each came alone: a value lies one half from one half, above or below.
    select cell_index, deployments, (deployments - 1) / 4
    from totals
),
reaches as (
    select
        spreads.cell_index,
        max(share_reach(totals.deployments, spreads.clusters, spreads.squares))
            filter (where spreads.clusters >= 4) as reach
    from spreads
    join totals using (cell_index)
    where totals.deployments >= 6
    group by spreads.cell_index
)
select
    cells.cell_index,
    totals.value,
    case
        when reaches.reach < 0.5
            then list_transform(
                [0.5 - reaches.reach, 0.5 + reaches.reach],
                lambda share: quantile_at(totals.ordered_seconds, share)
            )
    end as median_interval95,
    totals.mean,
    totals.p90,
    coalesce(totals.deployments, 0) as deployments
from cells
left join totals using (cell_index)
left join reaches using (cell_index)
order by cells.cell_index
