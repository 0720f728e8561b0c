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
    case
        when incidents.environment_key is not null
            then list_contains(question['environments'], incidents.environment_key)
        else list_has_any(question['environments'], question['production_environments'])
    end
    and (
        question['repository_keys'] is null
        or coalesce(list_contains(question['repository_keys'], incidents.repository_key), false)
    );
