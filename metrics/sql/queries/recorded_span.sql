-- When the deployments that a question is about were first and last recorded as finished, whatever its window, and the
-- longest pause between two of them, all in microseconds; null where there are none.
with
asked as (
    select finished_deployments.finished_at
    from finished_deployments
    left join repository_teams on
        repository_teams.organization = finished_deployments.organization
        and repository_teams.repository_key = finished_deployments.repository_key
        and repository_teams.service_key = finished_deployments.service_key
    where
        finished_deployments.organization = $question['organization']
        and list_contains($question['environments'], finished_deployments.environment_key)
        and is_asked(
            $question::question,
            finished_deployments.repository_key,
            finished_deployments.service_key,
            team_of(finished_deployments.team_key, repository_teams.team_key),
            finished_deployments.labels
        )
),
pauses as (
    select finished_at, finished_at - lag(finished_at) over (order by finished_at) as pause
    from asked
)
select
    epoch_us(min(finished_at)) as first_us,
    epoch_us(max(finished_at)) as last_us,
    epoch_us(max(pause)) as pause_us
from pauses
