-- The finished deployments of the window that a question is about, whatever their environment.
-- team: its own, else its service's, else its repository's.
create or replace macro deployments_in_reach(question) as table
select
    finished_deployments.* exclude (team),
    coalesce(finished_deployments.team, own_services.team, own_repositories.team) as team
from finished_deployments
left join repositories as own_services on
    own_services.organization = finished_deployments.organization
    and own_services.repository_key = finished_deployments.repository_key
    and own_services.service = finished_deployments.service
left join repositories as own_repositories on
    own_repositories.organization = finished_deployments.organization
    and own_repositories.repository_key = finished_deployments.repository_key
    and own_repositories.service = ''
where
    finished_deployments.organization = question['organization']
    and finished_deployments.finished_at >= question['from_at']
    and finished_deployments.finished_at < question['to_at']
    and is_asked(
        question,
        finished_deployments.repository_key,
        finished_deployments.service,
        coalesce(finished_deployments.team, own_services.team, own_repositories.team),
        finished_deployments.labels
    );
