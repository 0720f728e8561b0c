-- The incidents that a question is about, and what they say of deployments.

-- Whether an incident names the deployment that caused it: then the name decides alone, known or not.
create or replace macro names_a_deployment(deployment, commit_id) as
    deployment is not null or commit_id is not null;

-- The incidents of an organization, each with the repository that it belongs to, where that is known.
create or replace macro placed_incidents(question) as table
select *
from incidents
where organization = question['organization'];

-- The incidents that a question is about, whenever they started: in its environments and repositories,
-- of any service. An incident without an environment belongs to the production environments.
create or replace macro incidents_in_reach(question) as table
select
    incidents.id,
    incidents.started_at,
    incidents.resolved_at,
    incidents.repository_key,
    incidents.service,
    incidents.environment_key,
    incidents.change_related,
    names_a_deployment(incidents.deployment, incidents.commit_id) as names_deployment,
    repository_teams.team,
    group_of(
        question,
        incidents.repository_key,
        incidents.service,
        repository_teams.team,
        incidents.environment_key,
        null
    ) as group_name
from placed_incidents(question) as incidents
left join repository_teams on
    repository_teams.organization = incidents.organization
    and repository_teams.repository_key = incidents.repository_key
    and repository_teams.service = incidents.service
where
    list_has_any(
        question['environments'],
        environments_of(incidents.environment_key, question['production_environments'])
    )
    and (
        question['repository_keys'] is null
        or coalesce(list_contains(question['repository_keys'], incidents.repository_key), false)
    );

-- The incidents of the window that a question is about, each with the deployment that it is linked to.
create or replace macro asked_incidents(question) as table
select
    incidents.*,
    causes.deployment_id,
    causes.method,
    incidents.change_related and causes.incident_id is null as is_unattributed
from incidents_in_reach(question) as incidents
left join incident_causes(question) as causes on causes.incident_id = incidents.id
where is_within(question, incidents.started_at);

-- The deployment that each incident is linked to, and how: docs/metrics.md, section 2.
create or replace macro incident_causes(question) as table
select incident_id, deployment_id, method, started_at, resolved_at
from incident_links
where organization = question['organization'];

-- What incidents say of a deployment, one row each: when it failed, and when it recovered, null while one is open.
-- open_us: the microseconds in which at least one was open; what two have in common counts once.
create or replace macro incident_verdicts(question) as table
with
causes as (
    select
        *,
        max(resolved_at) over (
            partition by deployment_id
            order by started_at, resolved_at
            rows between unbounded preceding and 1 preceding
        ) as counted_until
    from incident_causes(question)
    where list_contains(question['signals'], 'incident')
)
select
    deployment_id as id,
    min(started_at) as failed_at,
    case when count(resolved_at) = count(*) then max(resolved_at) end as recovered_at,
    sum(greatest(epoch_us(resolved_at) - epoch_us(greatest(started_at, counted_until)), 0)) as open_us
from causes
group by deployment_id;
