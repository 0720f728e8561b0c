-- The median of values, for an aggregation: of two in the middle the lower, sorted[(n - 1) // 2].
create or replace macro median_of(values_in_question) as quantile_disc(values_in_question, 0.5);
