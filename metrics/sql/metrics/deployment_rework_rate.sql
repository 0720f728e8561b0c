-- deployment_rework_rate: how many of the deployments were repairs. docs/metrics.md, section 4.
-- unit: ratio, remediations (with a culprit or not) / successful deployments.
-- window: [from, to), by the remediation's finished_at. One row for each window.
-- empty: null when there are no deployments.
-- A remediation counts under each signal it has: the counts by signal may add up to more than the numerator.
with
windows as (
    select unnest($windows::time_window[], recursive := true)
),
counts as (
    select
        windows.window_index,
        count(*) filter (where deployments.is_remediation) as numerator,
        count(deployments.id) as denominator,
        count(*) filter (where deployments.repairs_by_rollback) as by_rollback,
        count(*) filter (where deployments.repairs_by_hotfix) as by_hotfix,
        count(*) filter (where deployments.repairs_by_fix) as by_fix
    from windows
    left join asked_deployments($question::question) as deployments on
        deployments.finished_at >= windows.from_at
        and deployments.finished_at < windows.to_at
        and deployments.succeeded
    group by windows.window_index
)
select
    window_index,
    numerator / nullif(denominator, 0) as value,
    numerator,
    denominator,
    by_rollback,
    by_hotfix,
    by_fix
from counts
order by window_index
