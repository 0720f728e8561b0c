-- What incidents say of a deployment: it failed when it was finished, and recovered with the last resolution.
create or replace macro incident_verdicts(question) as table
select
    deployment_id as id,
    null::timestamptz as failed_at,
    max(resolved_at) as recovered_at
from incident_causes(question)
group by deployment_id;
