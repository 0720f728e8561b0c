-- All rows of a metric's explanation, which takes the place of `rows_behind_the_metric`, with what they are
-- ordered by: what has not begun to happen comes last.
select
    *,
    (not counted)::bigint as rank,
    coalesce(epoch_us(happened_at), 9_223_372_036_854_775_807) as order_us,
    coalesce(deployment_id, '') as order_id
from rows_behind_the_metric
