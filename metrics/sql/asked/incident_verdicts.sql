-- What incidents say of a deployment, one row each: when it failed, and when it recovered, null while one is open.
create or replace macro incident_verdicts(question) as table
select
    deployment_id as id,
    min(started_at) as failed_at,
    case when count(resolved_at) = count(*) then max(resolved_at) end as recovered_at
from incident_causes(question)
where list_contains(question['signals'], 'incident')
group by deployment_id;
