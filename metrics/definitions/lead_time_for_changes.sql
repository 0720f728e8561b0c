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
shipped as (
    select
        cells.cell_index,
        deployments.id,
        deployments.carries_commits,
        week_of(deployments.finished_at, cells.from_at) as week
    from cells
    join asked_deployments($question::question) as deployments on
        is_in_cell(cells, deployments.finished_at, deployments.group_name)
    where deployments.succeeded
),
coverages as (
    select
        cell_index,
        count(*) as deployments,
        count(*) filter (where carries_commits) as covered
    from shipped
    group by cell_index
),
first_carried as (
    select shipped.cell_index, shipped.week, shipped.id, commits.lead_seconds
    from shipped
    join carried_commits as commits on commits.deployment_id = shipped.id
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
by_deployment as (
    select
        first_carried.cell_index,
        first_carried.week,
        sum(is_below(first_carried.lead_seconds, lead_times.value) - 0.5) as apart
    from first_carried
    join lead_times using (cell_index)
    where first_carried.lead_seconds >= 0
    group by first_carried.cell_index, first_carried.week, first_carried.id
),
by_week as (
    select cell_index, sum(apart) as apart
    from by_deployment
    group by cell_index, week
),
-- As commits come together, so do their lead times: those of one deployment, and of one week, are a cluster.
spreads as (
    select cell_index, 'deployments' as kind, count(*) as clusters, sum(apart * apart) as squares
    from by_deployment
    group by cell_index
    union all
    select cell_index, 'weeks', count(*), sum(apart * apart)
    from by_week
    group by cell_index
    union all
    -- If each came alone: a value lies one half from one half, above or below.
    select cell_index, 'commits', commits, (commits - 1) / 4
    from lead_times
),
reaches as (
    select
        cell_index,
        case
            when max(spreads.clusters) filter (where spreads.kind = 'deployments') >= 6
                then max(share_reach(lead_times.commits, spreads.clusters, spreads.squares))
                    filter (where spreads.kind <> 'weeks' or spreads.clusters >= 4)
        end as reach
    from spreads
    join lead_times using (cell_index)
    group by cell_index
)
select
    cells.cell_index,
    lead_times.value,
    case
        when reaches.reach < 0.5
            then list_transform(
                [0.5 - reaches.reach, 0.5 + reaches.reach],
                lambda share: quantile_at(lead_times.ordered_seconds, share)
            )
    end as median_interval95,
    lead_times.mean,
    lead_times.p90,
    coalesce(lead_times.commits, 0) as commits,
    coverages.covered / nullif(coverages.deployments, 0) as coverage,
    coalesce(lead_times.negative_lead_times, 0) as negative_lead_times,
    coalesce(coverages.deployments, 0) as deployments
from cells
left join coverages using (cell_index)
left join lead_times using (cell_index)
left join reaches using (cell_index)
order by cells.cell_index
