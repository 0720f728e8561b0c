-- Rows of an explanation, those of `some_rows_explained`, with what people know them by: service and environment as
-- they were sent, and what was deployed.
select
    explained_rows.* exclude (service_key, environment_key, rank, order_us, order_id),
    coalesce(deployments.service, incidents.service, explained_rows.service_key) as service,
    coalesce(deployments.environment, incidents.environment, explained_rows.environment_key) as environment,
    deployments.commit_id,
    deployments.version,
    deployments.deployment_node_id,
    explained_rows.rank,
    explained_rows.order_us,
    explained_rows.order_id
from some_rows_explained as explained_rows
left join deployments on deployments.id = explained_rows.deployment_id
left join incidents on incidents.id = explained_rows.id and explained_rows.deployment_id is null
