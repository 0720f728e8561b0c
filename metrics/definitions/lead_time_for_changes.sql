-- lead_time_for_changes: how long a change takes from being written to being in production. docs/metrics/lead_time_for_changes.md.
-- unit: seconds, finished_at of the first successful deployment of the stream that carries the commit
--   minus committed_at; median, mean and p90 over commits.
-- window: [from, to), by that deployment's finished_at.
-- empty: null when there is no commit.
-- One row for each cell, a window of a group.
-- A commit newer than its deployment is a clock error: left out, and counted in negative_lead_times.
-- `coverage` is the share of successful deployments that carry any commit.
with
cells as (
    select * from asked_cells($windows::time_window[], $groups::varchar[])
),
coverages as (
    select
        cells.cell_index,
        count(*) as deployments,
        count(*) filter (where deployments.carries_commits) as covered
    from cells
    join asked_deployments($question::question) as deployments on
        is_in_cell(cells, deployments.finished_at, deployments.group_name)
    where deployments.succeeded
    group by cells.cell_index
),
first_carried as (
    select
        cells.cell_index,
        week_of(commits.finished_at, cells.from_at) as week,
        commits.deployment_id,
        commits.lead_seconds
    from cells
    join asked_commits($question::question) as commits on
        is_in_cell(cells, commits.finished_at, commits.group_name)
    where commits.is_first
),
lead_times as (
    select
        cell_index,
        median_of(case when lead_seconds >= 0 then lead_seconds end) as value,
        avg(lead_seconds) filter (where lead_seconds >= 0) as mean,
        quantile_cont(lead_seconds, 0.9) filter (where lead_seconds >= 0) as p90,
        count(*) filter (where lead_seconds >= 0) as commits,
        count(*) filter (where lead_seconds < 0) as negative_lead_times,
        list(lead_seconds order by lead_seconds) filter (where lead_seconds >= 0) as ordered_seconds
    from first_carried
    group by cell_index
),
-- As commits come together, so do their lead times: those of one deployment, and of one week, are a cluster.
by_deployment as (
    select
        first_carried.cell_index,
        first_carried.week,
        sum(is_below(first_carried.lead_seconds, lead_times.value) - 0.5) as apart
    from first_carried
    join lead_times using (cell_index)
    where first_carried.lead_seconds >= 0
    group by first_carried.cell_index, first_carried.week, first_carried.deployment_id
),
by_week as (
    select
        cell_index,
        sum(apart) as apart,
        count(*) as deployments,
        sum(apart * apart) as squares_of_deployments
    from by_deployment
    group by cell_index, week
),
-- It says something from six deployments on, and of weeks from four.
spreads as (
    select
        cell_index,
        [
            {'clusters': sum(deployments), 'squares': sum(squares_of_deployments)},
            case when count(*) >= 4 then {'clusters': count(*), 'squares': sum(apart * apart)} end
        ] as ways
    from by_week
    group by cell_index
    having sum(deployments) >= 6
)
select
    cells.cell_index,
    lead_times.value,
    median_bounds_by_reach(
        lead_times.ordered_seconds, widest_reach(lead_times.commits, spreads.ways)
    ) as median_interval95,
    lead_times.mean,
    lead_times.p90,
    coalesce(lead_times.commits, 0) as commits,
    coverages.covered / nullif(coverages.deployments, 0) as coverage,
    coalesce(lead_times.negative_lead_times, 0) as negative_lead_times,
    coalesce(coverages.deployments, 0) as deployments
from cells
left join coverages using (cell_index)
left join lead_times using (cell_index)
left join spreads using (cell_index)
order by cells.cell_index
