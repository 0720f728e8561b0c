-- How often something happens that happened so many times from one instant to another: per day, the days being
-- seconds / 86,400. Rules that also say it per week and per month give these too.
create or replace macro frequency_of(happened, from_at, to_at) as {
    'per_day': happened / (epoch_us(to_at - from_at) / 86_400e6),
    'per_week': null::bigint,
    'per_month': null::bigint
};
