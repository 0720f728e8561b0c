-- mean_time_to_recover: how long users waited until a failed deployment was repaired. docs/metrics.md, sections 3, 4.
-- unit: seconds, recovered_at - failed_at; mean, median and p90 over the failed deployments that recovered.
-- window: [from, to), by the failed deployment's finished_at; it may recover whenever. One row for each window.
-- empty: null when none has recovered.
-- `incidents` are those that started in the window, in the environments and repositories asked for.
with
windows as (
    select unnest($windows::time_window[], recursive := true)
),
recoveries as (
    select
        windows.window_index,
        deployments.in_population,
        deployments.is_failed,
        case
            when deployments.is_failed
                then epoch_us(deployments.recovered_at - deployments.failed_at) / 1e6
        end as seconds
    from windows
    join asked_deployments($question::question) as deployments on
        deployments.finished_at >= windows.from_at
        and deployments.finished_at < windows.to_at
),
totals as (
    select
        window_index,
        avg(seconds) as value,
        quantile_cont(seconds, 0.5) as median,
        quantile_cont(seconds, 0.9) as p90,
        count(*) filter (where in_population) as deployments,
        count(*) filter (where is_failed) as failures,
        count(seconds) as recovered
    from recoveries
    group by window_index
),
incident_counts as (
    select
        windows.window_index,
        count(*) as incidents,
        count(*) filter (where incidents.is_unattributed) as unattributed_incidents
    from windows
    join asked_incidents($question::question) as incidents on
        incidents.started_at >= windows.from_at
        and incidents.started_at < windows.to_at
    group by windows.window_index
)
select
    windows.window_index,
    totals.value,
    totals.median,
    totals.p90,
    coalesce(totals.recovered, 0) as recovered,
    coalesce(totals.failures - totals.recovered, 0) as open,
    coalesce(incident_counts.incidents, 0) as incidents,
    coalesce(incident_counts.unattributed_incidents, 0) as unattributed_incidents,
    coalesce(totals.deployments, 0) as deployments,
    coalesce(totals.failures, 0) as failures
from windows
left join totals using (window_index)
left join incident_counts using (window_index)
order by windows.window_index
