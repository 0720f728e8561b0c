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
        coalesce(incidents.resolved_at, incidents.started_at) as happened_at
    from incidents_in_reach(question) as incidents
    left join incident_causes(question) as causes on causes.incident_id = incidents.id
    where is_asked_incident(question, incidents.service, incidents.team)
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
    service,
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
