-- The deployments that metrics do not count, and why.

-- The deployments that no metric of a question counts, and why. `happened_at` is when one finished, or began.
--
-- in_progress: it began in the window, or nobody said when, and has not finished.
-- cancelled: it was superseded, skipped or aborted in the window.
-- other_environment: it finished in the window, in an environment that is not asked for.
-- did_not_reach_production: it failed, and no incident is linked to it.
create or replace macro deployments_left_out(question) as table
with
deployments_without_outcome as (
    select
        deployments.id,
        deployments.repository_key,
        deployments.service_key,
        deployments.environment_key,
        deployments.branch,
        deployments.status,
        if(deployments.status = 'cancelled', deployments.finished_at, deployments.started_at) as happened_at,
        deployments.labels,
        coalesce(deployments.team_key, repository_teams.team_key) as team_key
    from deployments
    left join repository_teams on
        repository_teams.organization = deployments.organization
        and repository_teams.repository_key = deployments.repository_key
        and repository_teams.service_key = deployments.service_key
    where
        deployments.organization = question['organization']
        and deployments.status in ('in_progress', 'cancelled')
        and list_contains(question['environments'], deployments.environment_key)
)
select
    status as reason,
    id,
    id as deployment_id,
    repository_key,
    service_key,
    environment_key,
    group_of(question, repository_key, service_key, team_key, environment_key, branch) as group_name,
    happened_at
from deployments_without_outcome
where
    is_asked(question, repository_key, service_key, team_key, labels)
    and (happened_at is null or is_within(question, happened_at))
union all
select
    'other_environment',
    id,
    id,
    repository_key,
    service_key,
    environment_key,
    group_of(question, repository_key, service_key, team_key, environment_key, branch),
    finished_at
from deployments_in_reach(question)
where not list_contains(question['environments'], environment_key)
union all
select 'did_not_reach_production', id, id, repository_key, service_key, environment_key, group_name, finished_at
from asked_deployments(question)
where did_not_reach_production;

-- The deployments that no metric of successful deployments counts, and why: those that none counts, and
-- failed: it failed, and reached users, as an incident linked to it tells, or `status` is asked for.
create or replace macro deployments_without_success(question) as table
select reason, id, deployment_id, repository_key, service_key, environment_key, group_name, happened_at
from deployments_left_out(question)
union all
select 'failed', id, id, repository_key, service_key, environment_key, group_name, finished_at
from asked_deployments(question)
where in_population and not succeeded;
