-- All rows of a metric's explanation, which takes the place of `rows_behind_the_metric`, with what they are
-- ordered by: what has not begun to happen comes last. Service and environment are shown as they were sent.
with
explained_rows as (
    select * from rows_behind_the_metric
)
select
    explained_rows.* exclude (service_key, environment_key),
    coalesce(deployments.service, incidents.service, explained_rows.service_key) as service,
    coalesce(deployments.environment, incidents.environment, explained_rows.environment_key) as environment,
    deployments.commit_id,
    deployments.version,
    deployments.deployment_node_id,
    (not explained_rows.counted)::bigint as rank,
    coalesce(epoch_us(explained_rows.happened_at), 9_223_372_036_854_775_807) as order_us,
    coalesce(explained_rows.deployment_id, '') as order_id
from explained_rows
left join deployments on deployments.id = explained_rows.deployment_id
left join incidents on incidents.id = explained_rows.id and explained_rows.deployment_id is null
