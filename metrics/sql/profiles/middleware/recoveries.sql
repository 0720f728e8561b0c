-- What the time to recover is counted over: incidents, by when they were resolved. One that is not is open, by
-- when it started. Deployments are there to tell an empty window from one without failures.
create or replace macro recoveries(question) as table
select
    coalesce(resolved_at, started_at) as happened_at,
    group_name,
    false as in_population,
    true as is_failed,
    epoch_us(resolved_at - started_at) / 1e6 as seconds
from incidents_in_reach(question)
where is_asked_incident(question, service, team)
union all
select finished_at, group_name, in_population, false, null
from asked_deployments(question);
