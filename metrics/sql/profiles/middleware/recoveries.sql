-- The time to recover by Middleware's rules: over incidents.

-- What the time to recover is counted over: incidents, by when they were resolved. One that is not is open, by
-- when it started. Deployments are there to tell an empty window from one without failures.
create or replace macro recoveries(question) as table
select
    coalesce(resolved_at, started_at) as happened_at,
    group_of(question, repository_key, service_key, team_key, environment_key, branch) as group_name,
    false as in_population,
    true as is_failed,
    epoch_us(resolved_at - started_at) / 1e6 as seconds
from incidents_in_reach(question)
where is_asked(question, repository_key, service_key, team_key, labels)
union all
select finished_at, group_name, in_population, false, null
from asked_deployments(question);

-- What the time to recover is counted over, row by row, and what is left out of it: incidents.
--
-- open: it is not resolved.
-- not_in_window: it started in the window, and was resolved outside.
create or replace macro recoveries_explained(question) as table
with
resolutions as (
    select
        incidents.*,
        causes.deployment_id,
        causes.method,
        coalesce(incidents.resolved_at, incidents.started_at) as happened_at,
        group_of(
            question,
            incidents.repository_key,
            incidents.service_key,
            incidents.team_key,
            incidents.environment_key,
            incidents.branch
        ) as group_name
    from incidents_in_reach(question) as incidents
    left join incident_causes(question) as causes on causes.incident_id = incidents.id
    where
        is_asked(
            question, incidents.repository_key, incidents.service_key, incidents.team_key, incidents.labels
        )
)
select
    resolved_at is not null and is_within(question, happened_at) as counted,
    case
        when not is_within(question, happened_at) then 'not_in_window'
        when resolved_at is null then 'open'
    end as reason,
    'incident' as kind,
    id,
    deployment_id,
    repository_key,
    service_key,
    environment_key,
    group_name,
    happened_at,
    started_at as failed_at,
    resolved_at as recovered_at,
    epoch_us(resolved_at - started_at) / 1e6 as seconds,
    method,
    change_related
from resolutions
where is_within(question, happened_at) or is_within(question, started_at);
