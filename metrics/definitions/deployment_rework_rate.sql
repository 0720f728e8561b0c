-- deployment_rework_rate: how many of the deployments were repairs. docs/metrics/deployment_rework_rate.md.
-- unit: ratio, remediations (with a culprit or not) / successful deployments.
-- window: [from, to), by the remediation's finished_at.
-- empty: null when there are no deployments.
-- One row for each cell, a window of a group.
-- A remediation counts under each signal it has: the counts by signal may add up to more than the numerator.
with
cells as (
    select * from asked_cells($windows::time_window[], $groups::varchar[])
),
counts as (
    select
        cells.cell_index,
        count(*) filter (where deployments.is_remediation) as numerator,
        count(deployments.id) as denominator,
        count(*) filter (where deployments.repairs_by_rollback) as by_rollback,
        count(*) filter (where deployments.repairs_by_hotfix) as by_hotfix,
        count(*) filter (where deployments.repairs_by_fix) as by_fix
    from cells
    left join asked_deployments($question::question) as deployments on
        is_in_cell(cells, deployments.finished_at, deployments.group_name)
        and deployments.succeeded
    group by cells.cell_index
)
select
    cell_index,
    numerator / nullif(denominator, 0) as value,
    numerator,
    denominator,
    by_rollback,
    by_hotfix,
    by_fix
from counts
order by cell_index
