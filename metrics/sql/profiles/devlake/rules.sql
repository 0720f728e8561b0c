-- Where Apache DevLake's rules differ.

-- Whether a finished deployment is counted: only one that succeeded.
create or replace macro is_in_population(question, succeeded, has_incident) as succeeded;

-- Whether an incident can be a deployment's doing: only of one that succeeded.
create or replace macro may_be_blamed(succeeded) as succeeded;

-- The last instant at which a deployment can have finished to be blamed for an incident: strictly before it.
create or replace macro blames_until(started_at) as started_at - interval 1 microsecond;

-- What incidents say of a deployment: it failed when it was finished, and recovered with the last resolution.
create or replace macro incident_verdicts(question) as table
select
    deployment_id as id,
    null::timestamptz as failed_at,
    max(resolved_at) as recovered_at,
    null::bigint as open_us
from incident_causes(question)
group by deployment_id;

-- The median of values, for an aggregation: of two in the middle the lower, sorted[(n - 1) // 2].
create or replace macro median_of(values_in_question) as quantile_disc(values_in_question, 0.5);
