-- Incidents as systems attribute them that know projects, and no streams.

-- The incidents of an organization. One that names no repository belongs to that of the deployment it names.
create or replace macro placed_incidents(question) as table
select
    incidents.id,
    incidents.started_at,
    incidents.resolved_at,
    incidents.change_related,
    incidents.repository_key as named_key,
    null::varchar as unlinked_reason,
    coalesce(incidents.repository_key, named.repository_key) as repository_key,
    incidents.service_key,
    incidents.environment_key,
    repository_teams.team_key,
    null::varchar as branch,
    incidents.labels
from incidents
left join incident_links on incident_links.incident_id = incidents.id
-- What no change has caused has no link, and may name a deployment all the same.
left join finished_deployments as named on
    named.organization = incidents.organization
    and named.id = coalesce(incident_links.deployment_id, incidents.deployment)
left join repository_teams on
    repository_teams.organization = incidents.organization
    and repository_teams.repository_key = coalesce(incidents.repository_key, named.repository_key)
    and repository_teams.service_key = incidents.service_key
where incidents.organization = question['organization'];

-- An incident goes to the last deployment of the project before it, however long before. The project is all
-- repositories and environments that are asked for; services, teams and labels only limit what is counted.
create or replace macro incident_causes(question) as table
with
blamed as (
    select finished_at, max_by(id, first_revision) as id
    from finished_deployments
    where
        organization = question['organization']
        and list_contains(question['environments'], environment_key)
        and (question['repository_keys'] is null or list_contains(question['repository_keys'], repository_key))
        and may_be_blamed(succeeded)
    group by finished_at
),
incidents as (
    select id, started_at, resolved_at, blames_until(started_at) as blamed_until
    from incidents_in_reach(question)
    where change_related
)
select
    incidents.id as incident_id,
    blamed.id as deployment_id,
    'project' as method,
    incidents.started_at,
    incidents.resolved_at
from incidents
asof join blamed on incidents.blamed_until >= blamed.finished_at;

-- One row for each group that an incident is of: one without an environment is of none.
create or replace macro grouped_incidents(question) as table
select * from asked_incidents(question);
