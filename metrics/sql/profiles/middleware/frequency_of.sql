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
