-- change_failure_rate: how many of the deployments that reached users needed repair. docs/metrics/change_failure_rate.md.
-- unit: ratio, failed deployments / population; distinct deployments, so never above 1.
-- window: [from, to), by the deployment's own finished_at.
-- empty: null when there are no deployments.
-- One row for each cell, a window of a group.
-- A failure counts under each signal it has: the counts by signal may add up to more than the numerator.
with
cells as (
    select * from asked_cells($windows::time_window[], $groups::varchar[])
),
counts as (
    select
        cells.cell_index,
        count(*) filter (where deployments.is_failed) as numerator,
        count(*) filter (where deployments.in_population) as denominator,
        count(*) filter (where deployments.failed_by_incident) as by_incident,
        count(*) filter (where deployments.failed_by_rollback) as by_rollback,
        count(*) filter (where deployments.failed_by_hotfix) as by_hotfix,
        count(*) filter (where deployments.failed_by_fix) as by_fix,
        count(*) filter (where deployments.failed_by_status) as by_status,
        count(*) filter (where deployments.is_unattributed) as unattributed,
        count(*) filter (where deployments.did_not_reach_production) as did_not_reach_production
    from cells
    left join asked_deployments($question::question) as deployments on
        is_in_cell(cells, deployments.finished_at, deployments.group_name)
    group by cells.cell_index
)
select
    cell_index,
    share_of(numerator, denominator) as value,
    numerator,
    denominator,
    by_incident,
    by_rollback,
    by_hotfix,
    by_fix,
    by_status,
    unattributed,
    did_not_reach_production
from counts
order by cell_index
