-- Where Middleware's rules differ.

-- Whether a finished deployment is counted: whatever its status.
create or replace macro is_in_population(question, succeeded, has_incident) as true;

-- Whether an incident can be a deployment's doing: of any, whatever its status.
create or replace macro may_be_blamed(succeeded) as true;

-- The last instant at which a deployment can have finished to be blamed for an incident: that of the incident.
create or replace macro blames_until(started_at) as started_at;

-- A rate: 0 where there is nothing to have a share of.
create or replace macro share_of(numerator, denominator) as coalesce(numerator / nullif(denominator, 0), 0);

-- How many calendar days, weeks or months a window has a part of, in UTC. A window that is closed has been given
-- a microsecond more, which is in no further one. Both ends are cut to their bucket's beginning first: weeks are
-- counted as they elapse, not as they begin.
create or replace macro buckets_touched(unit, from_at, to_at) as
    greatest(
        date_diff(unit, date_trunc(unit, from_at), date_trunc(unit, to_at - interval 2 microseconds)), 0
    ) + 1;

-- How often something happens: in whole numbers, rounded down, on average over the days, the weeks from Monday and
-- the months that the window touches, in UTC; a week never below 7 days, a month never below 30.
create or replace macro frequency_of(happened, from_at, to_at) as list_transform(
    [{
        'per_day': happened // buckets_touched('day', from_at, to_at),
        'per_week': happened // buckets_touched('week', from_at, to_at),
        'per_month': happened // buckets_touched('month', from_at, to_at)
    }],
    lambda whole: {
        'per_day': whole['per_day']::double,
        'per_week': greatest(whole['per_week'], 7 * whole['per_day']),
        'per_month': greatest(whole['per_month'], 30 * whole['per_day'])
    }
)[1];

-- The names in the dimension that a question groups by, of all that it counts; null for what has none.
-- Incidents count when they are resolved, which may be the only thing of theirs in the window.
create or replace macro group_names(question) as table
select group_name from asked_deployments(question)
union
select group_name from asked_incidents(question)
union
select group_name from recoveries(question)
where is_within(question, happened_at);
