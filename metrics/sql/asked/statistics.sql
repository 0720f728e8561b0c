-- What figures are made of: shares, frequencies, medians and their intervals.

-- A rate: null where there is nothing to have a share of.
create or replace macro share_of(numerator, denominator) as numerator / nullif(denominator, 0);

-- How often something happens that happened so many times from one instant to another: per day, the days being
-- seconds / 86,400. Rules that also say it per week and per month give these too.
create or replace macro frequency_of(happened, from_at, to_at) as {
    'per_day': happened / (epoch_us(to_at - from_at) / 86_400e6),
    'per_week': null::bigint,
    'per_month': null::bigint
};

-- The median of values, for an aggregation: it interpolates between the two in the middle.
create or replace macro median_of(values_in_question) as quantile_cont(values_in_question, 0.5);

-- The 95 % interval of a median, out of all values in order and the place that `median_ranks` gives for their
-- number; from a hundred values on the place comes by the normal approximation. Null where there are too few.
create or replace macro median_bounds(ordered_values, known_rank) as (
    list_transform(
        [
            coalesce(
                known_rank,
                floor((len(ordered_values) - z95() * sqrt(len(ordered_values))) / 2)
            )::bigint
        ],
        lambda place: case
            when place >= 1
                then [ordered_values[place], ordered_values[len(ordered_values) + 1 - place]]
        end
    )[1]
);
