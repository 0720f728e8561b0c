-- What is missing in the records of a question, repository by repository. One row a repository, and one
-- (repository_key null) for incidents that name none.
--
-- deployments: those that finished in the window; without_commits: successful ones that carry none.
-- unattributed_remediations, unattributed_incidents: of the window, for which no deployment is known.
-- in_progress_over_a_day: began more than a day before $now, or nobody said when, and have not finished.
-- clock_errors: commits of the window that are newer than the deployment that carries them.
with
asked as (
    select * from asked_deployments($question::question)
),
deployment_counts as (
    select
        repository_key,
        count(*) as deployments,
        count(*) filter (where succeeded and not carries_commits) as without_commits,
        count(*) filter (where is_unattributed) as unattributed_remediations
    from asked
    group by repository_key
),
clock_errors as (
    select asked.repository_key, count(*) as clock_errors
    from asked
    join carried_commits on carried_commits.deployment_id = asked.id
    where carried_commits.is_first and carried_commits.lead_seconds < 0
    group by asked.repository_key
),
incident_counts as (
    select repository_key, count(*) filter (where is_unattributed) as unattributed_incidents
    from asked_incidents($question::question)
    group by repository_key
),
unfinished as (
    select repository_key, count(*) as in_progress_over_a_day
    from deployments
    where
        organization = $question['organization']
        and status = 'in_progress'
        and coalesce(started_at < $now::timestamptz - interval 1 day, true)
        and list_contains($question['environments'], environment_key)
        and (
            $question['repository_keys'] is null
            or list_contains($question['repository_keys'], repository_key)
        )
    group by repository_key
),
known as (
    select repository_key from deployment_counts
    union
    select repository_key from incident_counts
    union
    select repository_key from unfinished
)
select
    known.repository_key,
    coalesce(deployment_counts.deployments, 0) as deployments,
    coalesce(deployment_counts.without_commits, 0) as without_commits,
    coalesce(deployment_counts.unattributed_remediations, 0) as unattributed_remediations,
    coalesce(incident_counts.unattributed_incidents, 0) as unattributed_incidents,
    coalesce(unfinished.in_progress_over_a_day, 0) as in_progress_over_a_day,
    coalesce(clock_errors.clock_errors, 0) as clock_errors
from known
left join deployment_counts on deployment_counts.repository_key is not distinct from known.repository_key
left join incident_counts on incident_counts.repository_key is not distinct from known.repository_key
left join unfinished on unfinished.repository_key is not distinct from known.repository_key
left join clock_errors on clock_errors.repository_key is not distinct from known.repository_key
order by known.repository_key nulls last
