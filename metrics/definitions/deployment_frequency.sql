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
frequencies as (
    select
        cells.cell_index,
        frequency_of(coalesce(totals.deployments, 0), cells.from_at, cells.to_at) as frequency
    from cells
    left join totals using (cell_index)
),
deployed_days as (
    select distinct
        shipped.cell_index,
        day_parts.day,
        day_parts.week,
        date_trunc('month', day_parts.day) as month
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
whole_weeks as (
    select cells.cell_index, weeks.week
    from cells
    join (
        select week, min(starts_at) as starts_at, max(ends_at) as ends_at
        from days
        group by week
    ) as weeks on
        weeks.starts_at >= cells.from_at
        and weeks.ends_at <= cells.to_at
),
weekly_days as (
    select whole_weeks.cell_index, whole_weeks.week, count(deployed_days.day) as days
    from whole_weeks
    left join deployed_days using (cell_index, week)
    group by whole_weeks.cell_index, whole_weeks.week
),
week_medians as (
    select
        cell_index,
        median_of(days) as median_days_per_week,
        count(*) as weeks,
        list(days order by days) as ordered_days
    from weekly_days
    group by cell_index
),
whole_months as (
    select cells.cell_index, months.month
    from cells
    join (
        select
            date_trunc('month', day) as month,
            min(starts_at) as starts_at,
            max(ends_at) as ends_at,
            -- The days that are bound in begin and end with a week, which may be within a month.
            count(*) = day(last_day(min(day))) as is_whole
        from days
        group by date_trunc('month', day)
    ) as months on
        months.is_whole
        and months.starts_at >= cells.from_at
        and months.ends_at <= cells.to_at
),
monthly_days as (
    select whole_months.cell_index, whole_months.month, count(deployed_days.day) as days
    from whole_months
    left join deployed_days using (cell_index, month)
    group by whole_months.cell_index, whole_months.month
),
month_medians as (
    select cell_index, median_of(days) as median_days_per_month
    from monthly_days
    group by cell_index
)
select
    cells.cell_index,
    frequencies.frequency['per_day'] as value,
    frequencies.frequency['per_week'] as per_week,
    frequencies.frequency['per_month'] as per_month,
    coalesce(totals.deployments, 0) as deployments,
    coalesce(totals.redeployments, 0) as redeployments,
    coalesce(day_counts.deployment_days, 0) as deployment_days,
    week_medians.median_days_per_week,
    median_bounds(week_medians.ordered_days, median_ranks.lower_rank) as median_days_per_week_interval95,
    month_medians.median_days_per_month,
    totals.median_duration_seconds,
    totals.p90_duration_seconds,
    coalesce(totals.durations, 0) as durations
from cells
join frequencies using (cell_index)
left join totals using (cell_index)
left join day_counts using (cell_index)
left join week_medians using (cell_index)
left join median_ranks on median_ranks.n = week_medians.weeks
left join month_medians using (cell_index)
order by cells.cell_index
