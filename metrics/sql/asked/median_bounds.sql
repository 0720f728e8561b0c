-- The 95 % interval of a median, out of all values in order and the place that `median_ranks` gives for their
-- number; from a hundred values on the place comes by the normal approximation. Null where there are too few.
create or replace macro median_bounds(ordered_values, known_rank) as (
    list_transform(
        [
            coalesce(
                known_rank,
                floor((len(ordered_values) - 1.959963984540054 * sqrt(len(ordered_values))) / 2)
            )::bigint
        ],
        lambda place: case
            when place >= 1
                then [ordered_values[place], ordered_values[len(ordered_values) + 1 - place]]
        end
    )[1]
);
