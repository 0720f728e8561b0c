-- deployment_frequency: how often the team ships. docs/metrics/deployment_frequency.md.
-- unit: successful deployments per day; the days are the window's seconds / 86,400, never rounded.
-- window: [from, to), by finished_at.
-- empty: 0, for nothing deployed is a true zero; median_days_per_week is null without a whole week,
--   median_days_per_month without a whole calendar month.
-- One row for each cell, a window of a group.
-- Local days come bound in, from zoneinfo: `days` covers the ISO weeks that the windows touch.
with
cells as (
    select * from asked_cells($windows::time_window[], $groups::varchar[])
),
days as (
    select * from days_of($days::local_days)
),
-- A local day lies in two days of UTC, or in one.
day_parts as (
    select
        day,
        week,
        starts_at,
        ends_at,
        unnest(range(utc_day(starts_at), utc_day(ends_at - interval 1 microsecond) + 1)) as utc_day
    from days
),
shipped as (
    select
        cells.cell_index,
        deployments.finished_at,
        deployments.is_redeployment,
        epoch_us(deployments.finished_at - deployments.started_at) / 1e6 as duration_seconds
    from cells
    join asked_deployments($question::question) as deployments on
        is_in_cell(cells, deployments.finished_at, deployments.group_name)
    where deployments.succeeded
),
totals as (
    select
        cell_index,
        count(*) as deployments,
        count(*) filter (where is_redeployment) as redeployments,
        median_of(duration_seconds) as median_duration_seconds,
        quantile_cont(duration_seconds, 0.9) as p90_duration_seconds,
        count(duration_seconds) as durations
    from shipped
    group by cell_index
),
measured as (
    select
        cells.cell_index,
        totals.* exclude (cell_index),
        frequency_of(coalesce(totals.deployments, 0), cells.from_at, cells.to_at) as frequency
    from cells
    left join totals using (cell_index)
),
deployed_days as (
    select distinct
        shipped.cell_index,
        day_parts.day
    from shipped
    join day_parts on
        day_parts.utc_day = utc_day(shipped.finished_at)
        and shipped.finished_at >= day_parts.starts_at
        and shipped.finished_at < day_parts.ends_at
),
day_counts as (
    select cell_index, count(*) as deployment_days
    from deployed_days
    group by cell_index
),
-- Every day is one of a week and one of a month.
days_of_periods as (
    select
        days.day,
        days.starts_at,
        days.ends_at,
        kinds.kind,
        if(kinds.kind = 'week', days.week, date_trunc('month', days.day)) as period
    from days
    cross join (select unnest(['week', 'month']) as kind) as kinds
),
periods as (
    select kind, period, min(starts_at) as starts_at, max(ends_at) as ends_at
    from days_of_periods
    group by kind, period
    -- The days that are bound in begin and end with a week, which may be within a month.
    having kind = 'week' or count(*) = day(last_day(min(day)))
),
days_deployed as (
    select deployed_days.cell_index, days_of_periods.kind, days_of_periods.period
    from deployed_days
    join days_of_periods using (day)
),
whole_periods as (
    select cells.cell_index, periods.kind, periods.period, count(days_deployed.cell_index) as days
    from cells
    join periods on
        periods.starts_at >= cells.from_at
        and periods.ends_at <= cells.to_at
    left join days_deployed on
        days_deployed.cell_index = cells.cell_index
        and days_deployed.kind = periods.kind
        and days_deployed.period = periods.period
    group by cells.cell_index, periods.kind, periods.period
),
medians as (
    select
        cell_index,
        median_of(case when kind = 'week' then days end) as days_per_week,
        list(days order by days) filter (where kind = 'week') as ordered_days,
        median_of(case when kind = 'month' then days end) as days_per_month
    from whole_periods
    group by cell_index
)
select
    measured.cell_index,
    measured.frequency['per_day'] as value,
    measured.frequency['per_week'] as per_week,
    measured.frequency['per_month'] as per_month,
    coalesce(measured.deployments, 0) as deployments,
    coalesce(measured.redeployments, 0) as redeployments,
    coalesce(day_counts.deployment_days, 0) as deployment_days,
    medians.days_per_week as median_days_per_week,
    median_bounds(medians.ordered_days) as median_days_per_week_interval95,
    medians.days_per_month as median_days_per_month,
    measured.median_duration_seconds,
    measured.p90_duration_seconds,
    coalesce(measured.durations, 0) as durations
from measured
left join day_counts using (cell_index)
left join medians using (cell_index)
order by measured.cell_index
