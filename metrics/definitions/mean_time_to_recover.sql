-- mean_time_to_recover: how long users waited until a failed deployment was repaired. docs/metrics/mean_time_to_recover.md.
-- unit: seconds in which an incident of it was open, else recovered_at - failed_at; over those that recovered.
-- window: [from, to), by the failed deployment's finished_at; it may recover whenever.
-- empty: null when none has recovered.
-- One row for each cell, a window of a group.
-- `incidents` are those that started in the window and stand where the question asks.
with
cells as (
    select * from asked_cells($windows::time_window[], $groups::varchar[])
),
recovered as (
    select
        cells.cell_index,
        recoveries.in_population,
        recoveries.is_failed,
        recoveries.seconds
    from cells
    join recoveries($question::question) as recoveries on
        is_in_cell(cells, recoveries.happened_at, recoveries.group_name)
),
totals as (
    select
        cell_index,
        avg(seconds) as value,
        median_of(seconds) as median,
        quantile_cont(seconds, 0.9) as p90,
        count(*) filter (where in_population) as deployments,
        count(*) filter (where is_failed) as failures,
        count(seconds) as recovered,
        list(seconds order by seconds) filter (where seconds is not null) as ordered_seconds
    from recovered
    group by cell_index
),
incident_counts as (
    select
        cells.cell_index,
        count(*) as incidents,
        count(*) filter (where incidents.is_unattributed) as unattributed_incidents
    from cells
    join grouped_incidents($question::question) as incidents on
        is_in_cell(cells, incidents.started_at, incidents.group_name)
    group by cells.cell_index
)
select
    cells.cell_index,
    totals.value,
    totals.median,
    median_bounds(totals.ordered_seconds) as median_interval95,
    totals.p90,
    coalesce(totals.recovered, 0) as recovered,
    coalesce(totals.failures - totals.recovered, 0) as open,
    coalesce(incident_counts.incidents, 0) as incidents,
    coalesce(incident_counts.unattributed_incidents, 0) as unattributed_incidents,
    coalesce(totals.deployments, 0) as deployments,
    coalesce(totals.failures, 0) as failures
from cells
left join totals using (cell_index)
left join incident_counts using (cell_index)
order by cells.cell_index
