-- The median of values, for an aggregation: it interpolates between the two in the middle.
create or replace macro median_of(values_in_question) as quantile_cont(values_in_question, 0.5);
