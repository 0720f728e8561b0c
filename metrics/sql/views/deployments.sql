-- deployments: every finished deployment of the organization, with its place in its stream.
-- One row a deployment; instants in UTC; `position` counts the stream from 1 and is null for one that failed.
select
    id,
    repository_key as repository,
    service,
    environment_key as environment,
    branch,
    team,
    labels,
    deployment_node_id,
    commit_id,
    release,
    succeeded,
    started_at,
    finished_at,
    position,
    is_redeployment,
    is_rollback,
    is_hotfix,
    is_fix,
    remediates,
    carries_commits
from finished_deployments
where organization = $organization
order by finished_at, first_revision
