-- All rows of a metric's explanation, which takes the place of `rows_behind_the_metric`, with what they are
-- ordered by: what has not begun to happen comes last.
with
explained_rows as (
    select * from rows_behind_the_metric
)
select
    explained_rows.* rename (environment_key as environment),
    deployments.commit_id,
    deployments.version,
    deployments.deployment_node_id,
    (not explained_rows.counted)::bigint as rank,
    coalesce(epoch_us(explained_rows.happened_at), 9_223_372_036_854_775_807) as order_us,
    coalesce(explained_rows.deployment_id, '') as order_id
from explained_rows
left join deployments on deployments.id = explained_rows.deployment_id
