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

-- The 95 % interval of a median, out of all values in order: by `median_ranks`, which has the place of its lower bound
-- for each number of values; from a hundred values on by the normal approximation. Null where there are too few.
create or replace macro median_bounds(ordered_values) as (
    list_transform(
        [
            coalesce(
                median_ranks()[len(ordered_values)],
                floor((len(ordered_values) - z95() * sqrt(len(ordered_values))) / 2)
            )::bigint
        ],
        lambda place: case
            when place >= 1
                then [ordered_values[place], ordered_values[len(ordered_values) + 1 - place]]
        end
    )[1]
);

-- The week of a window that an instant lies in: spans of seven days from its beginning, counted from 0.
create or replace macro week_of(happened_at, from_at) as epoch_us(happened_at - from_at) // 604_800_000_000;

-- The day of UTC that an instant lies in, counted from 1970.
create or replace macro utc_day(happened_at) as epoch_us(happened_at) // 86_400_000_000;

-- Whether a value lies below another, for a share: half of one that is equal does.
create or replace macro is_below(a_value, bound) as case
    when a_value < bound then 1.0 when a_value = bound then 0.5 else 0.0
end;

-- How far from one half the share of n values below their median can be by chance (95 %), where values come together
-- in clusters; `squares` is the sum, over these, of how many too many or too few are below, squared.
-- R. S. Woodruff, Confidence intervals for medians and other position measures, JASA 47 (1952).
create or replace macro share_reach(n, clusters, squares) as
    t95(clusters - 1) * sqrt(clusters / (clusters - 1) * squares) / n;

-- The widest reach of all ways to form clusters, each with its `clusters` and `squares` or null where there are too few
-- of them to say something; never less than if each value came alone, which lies one half from one half. Null where
-- `ways` are.
create or replace macro widest_reach(n, ways) as case
    when ways is not null
        then list_max(
            list_transform(
                list_append(ways, {'clusters': n, 'squares': (n - 1) / 4}),
                lambda way: share_reach(n, way['clusters'], way['squares'])
            )
        )
end;

-- The 95 % interval of a median, out of all values in order and how far their share below it can be from one half;
-- null where that is not known, or as far as it can be.
create or replace macro median_bounds_by_reach(ordered_values, reach) as case
    when reach < 0.5
        then list_transform([0.5 - reach, 0.5 + reach], lambda share: quantile_at(ordered_values, share))
end;

-- The two-sided 95 % quantile of Student's t: M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 26.7.5.
create or replace macro t95(freedom) as case freedom
    when 3 then 3.18245
    when 4 then 2.77645
    when 5 then 2.57058
    else
        t95_series()[1]
        + (t95_series()[2] + (t95_series()[3] + t95_series()[4] / freedom) / freedom) / freedom
end;

-- The quantile of values in order, which interpolates linearly between them.
create or replace macro quantile_at(ordered_values, share) as
    ordered_values[floor((len(ordered_values) - 1) * share)::bigint + 1]
    + ((len(ordered_values) - 1) * share - floor((len(ordered_values) - 1) * share))
    * (
        ordered_values[least(floor((len(ordered_values) - 1) * share)::bigint + 2, len(ordered_values))]
        - ordered_values[floor((len(ordered_values) - 1) * share)::bigint + 1]
    );
