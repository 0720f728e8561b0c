-- The incidents that a question is about, and what they say of deployments.

-- Whether an incident names the deployment that caused it: then the name decides alone, known or not.
create or replace macro names_a_deployment(deployment, commit_id) as
    deployment is not null or commit_id is not null;

-- The incidents of an organization, each where it stands: where its deployment does, and where it is linked to
-- none, at what it names itself. `named_key` is the repository that it names.
create or replace macro placed_incidents(question) as table
select
    incidents.id,
    incidents.started_at,
    incidents.resolved_at,
    incidents.change_related,
    incidents.repository_key as named_key,
    incident_links.reason as unlinked_reason,
    coalesce(failed.repository_key, incidents.repository_key) as repository_key,
    coalesce(failed.service_key, incidents.service_key) as service_key,
    coalesce(failed.environment_key, incidents.environment_key) as environment_key,
    coalesce(failed.team_key, repository_teams.team_key) as team_key,
    failed.branch,
    case when failed.id is null then incidents.labels else failed.labels end as labels
from incidents
left join incident_links on incident_links.incident_id = incidents.id
left join finished_deployments as failed on failed.id = incident_links.deployment_id
left join repository_teams on
    repository_teams.organization = incidents.organization
    and repository_teams.repository_key = coalesce(failed.repository_key, incidents.repository_key)
    and repository_teams.service_key = coalesce(failed.service_key, incidents.service_key)
where incidents.organization = question['organization'];

-- The incidents that a question is about, whenever they started, of whatever service, team and labels. One without
-- an environment is asked for where a production environment is. Who may see some repositories only sees incidents
-- that name one of them.
create or replace macro incidents_in_reach(question) as table
select *
from placed_incidents(question)
where
    list_has_any(
        question['environments'], environments_of(environment_key, question['production_environments'])
    )
    and (
        question['repository_keys'] is null
        or coalesce(list_contains(question['repository_keys'], repository_key), false)
    )
    and may_see(question, named_key);

-- The incidents of the window that a question is about, each with the deployment that it is linked to, and where it
-- is linked to none, the reason.
create or replace macro asked_incidents(question) as table
select
    incidents.*,
    causes.deployment_id,
    causes.method,
    incidents.change_related and causes.incident_id is null as is_unattributed,
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
    is_within(question, incidents.started_at)
    and is_asked(
        question, incidents.repository_key, incidents.service_key, incidents.team_key, incidents.labels
    );

-- The same, one row for each group that an incident is of. As one without an environment is asked for where any
-- production environment is, it is of the group of each of these that anything in the answer stands in.
create or replace macro grouped_incidents(question) as table
select
    incidents.* replace (coalesce(production.environment_key, incidents.group_name) as group_name)
from asked_incidents(question) as incidents
left join (select unnest(question['production_groups']) as environment_key) as production on
    incidents.environment_key is null;

-- The deployment that each incident is linked to, and how: docs/metrics.md, section 2.
create or replace macro incident_causes(question) as table
select incident_id, deployment_id, method, started_at, resolved_at
from incident_links
where organization = question['organization'] and deployment_id is not null;

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
