-- deployments: every finished deployment of the organization, with its place in its stream.
-- One row a deployment; instants in UTC; `position` counts the stream from 1 and is null for one that failed.
-- `repository` is shown as in answers, `repository_key` is host and path, case-folded; `team` is its own,
-- else its service's, else its repository's. `created_at` is when it was first recorded, `recorded_at` and
-- `recorded_by` when its last version was, and by whom: null out of a file.
select
    finished_deployments.id,
    coalesce(repository_teams.repository, finished_deployments.repository_key) as repository,
    finished_deployments.repository_key,
    details.repository_url,
    deployments.service,
    deployments.environment,
    deployments.production,
    finished_deployments.branch,
    coalesce(deployments.team, repository_teams.team) as team,
    finished_deployments.labels,
    finished_deployments.deployment_node_id,
    deployments.commit_id,
    deployments.version,
    finished_deployments.release,
    details.title,
    details.url,
    details.pull_request_number,
    details.member_id,
    details.triggered_by,
    details.changelog,
    details.commits_count,
    deployments.status,
    finished_deployments.succeeded,
    finished_deployments.started_at,
    finished_deployments.finished_at,
    finished_deployments.position,
    finished_deployments.is_redeployment,
    finished_deployments.is_rollback,
    finished_deployments.is_hotfix,
    finished_deployments.is_fix,
    details.is_forced,
    finished_deployments.remediates,
    finished_deployments.carries_commits,
    details.created_at,
    details.recorded_at,
    details.recorded_by
from finished_deployments
join deployments using (id)
left join details_of_deployments as details using (id)
left join repository_teams on
    repository_teams.organization = finished_deployments.organization
    and repository_teams.repository_key = finished_deployments.repository_key
    and repository_teams.service_key = finished_deployments.service_key
where finished_deployments.organization = $organization
order by finished_deployments.finished_at, finished_deployments.first_revision
