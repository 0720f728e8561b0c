-- The deployments that metrics do not count, and why.

-- The deployments that no metric of a question counts, and why. `happened_at` is when one finished, or began.
--
-- in_progress: it began in the window, or nobody said when, and has not finished.
-- other_environment: it finished in the window, in an environment that is not asked for.
-- did_not_reach_production: it failed, and no incident names it.
create or replace macro deployments_left_out(question) as table
with
deployments_in_progress as (
    select
        deployments.id,
        deployments.repository_key,
        deployments.service,
        deployments.environment_key,
        deployments.branch,
        deployments.started_at,
        deployments.labels,
        team_of(deployments.team, repository_teams.team) as team
    from deployments
    left join repository_teams on
        repository_teams.organization = deployments.organization
        and repository_teams.repository_key = deployments.repository_key
        and repository_teams.service = deployments.service
    where
        deployments.organization = question['organization']
        and deployments.status = 'in_progress'
        and list_contains(question['environments'], deployments.environment_key)
        and (
            deployments.started_at is null
            or is_within(question, deployments.started_at)
        )
)
select
    'in_progress' as reason,
    id,
    id as deployment_id,
    repository_key,
    service,
    environment_key,
    group_of(question, repository_key, service, team, environment_key, branch) as group_name,
    started_at as happened_at
from deployments_in_progress
where is_asked(question, repository_key, service, team, labels)
union all
select
    'other_environment',
    id,
    id,
    repository_key,
    service,
    environment_key,
    group_of(question, repository_key, service, team, environment_key, branch),
    finished_at
from deployments_in_reach(question)
where not list_contains(question['environments'], environment_key)
union all
select 'did_not_reach_production', id, id, repository_key, service, environment_key, group_name, finished_at
from asked_deployments(question)
where did_not_reach_production;

-- The deployments that no metric of successful deployments counts, and why: those that none counts, and
-- failed: it failed, and reached users, as an incident that names it tells, or `status` is asked for.
create or replace macro deployments_without_success(question) as table
select reason, id, deployment_id, repository_key, service, environment_key, group_name, happened_at
from deployments_left_out(question)
union all
select 'failed', id, id, repository_key, service, environment_key, group_name, finished_at
from asked_deployments(question)
where in_population and not succeeded;
