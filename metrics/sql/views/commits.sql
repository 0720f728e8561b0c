-- commits: every commit that a successful deployment carries, told with it or derived from pushes.
-- One row a commit of a deployment; `is_first` where no deployment of its stream carried it before, and
-- `lead_seconds` from its writing to the deployment's finish, below zero where a clock was wrong.
select
    carried_commits.deployment_id,
    coalesce(repository_teams.repository, finished_deployments.repository_key) as repository,
    finished_deployments.repository_key,
    deployments.service,
    deployments.environment,
    carried_commits.sha,
    carried_commits.is_derived,
    carried_commits.is_first,
    carried_commits.lead_seconds,
    finished_deployments.finished_at - to_microseconds(round(carried_commits.lead_seconds * 1e6)::bigint)
        as committed_at,
    finished_deployments.finished_at
from carried_commits
join finished_deployments on finished_deployments.id = carried_commits.deployment_id
join deployments on deployments.id = carried_commits.deployment_id
left join repository_teams on
    repository_teams.organization = finished_deployments.organization
    and repository_teams.repository_key = finished_deployments.repository_key
    and repository_teams.service_key = finished_deployments.service_key
where carried_commits.organization = $organization
order by finished_deployments.finished_at, finished_deployments.first_revision, carried_commits.sha
