-- For each commit of a stream that changed, the first deployment that carries it, and how long it took to get there.
--
-- Which deployment is first is settled over the whole stream, before any query leaves something out.
-- `lead_seconds` is finished_at minus committed_at; below zero it is a clock error, which the metric
-- leaves out and counts.
with
carried as (
    select
        finished_deployments.id,
        finished_deployments.organization,
        finished_deployments.stream,
        finished_deployments.repository_key,
        finished_deployments.service,
        finished_deployments.environment_key,
        finished_deployments.position,
        finished_deployments.finished_at,
        unnest(deployments.commits, recursive := true)
    from finished_deployments
    join deployments using (id)
    where
        finished_deployments.succeeded
        and finished_deployments.stream in (select stream from changed_streams)
        and deployments.stream in (select stream from changed_streams)
)
select
    organization,
    stream,
    id as deployment_id,
    sha,
    epoch_us(finished_at - committed_at) / 1e6 as lead_seconds
from carried
qualify row_number() over (
    partition by organization, repository_key, service, environment_key, sha
    order by position, committed_at
) = 1
order by organization, deployment_id, sha
