-- remediations: every deployment that repairs another: by what it says, or by going back to an earlier release.
-- One row a remediation; `id` is the deployment's, `signals` say how it is known, `culprit_id` is the deployment that it
-- repairs, found by `method`, null where none was found.
select
    remediations.id,
    coalesce(repository_teams.repository, finished_deployments.repository_key) as repository,
    finished_deployments.repository_key,
    deployments.service,
    deployments.environment,
    remediations.finished_at,
    remediations.signals,
    remediations.culprit_id,
    remediations.method
from remediations
join finished_deployments on finished_deployments.id = remediations.id
join deployments on deployments.id = remediations.id
left join repository_teams on
    repository_teams.organization = finished_deployments.organization
    and repository_teams.repository_key = finished_deployments.repository_key
    and repository_teams.service_key = finished_deployments.service_key
where remediations.organization = $organization
order by remediations.finished_at, finished_deployments.first_revision
