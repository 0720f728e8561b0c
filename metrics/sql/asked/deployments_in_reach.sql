-- The finished deployments of the window that a question is about, whatever their environment.
-- team: its own, else its service's, else its repository's.
create or replace macro deployments_in_reach(question) as table
select
    finished_deployments.* exclude (team),
    coalesce(finished_deployments.team, repository_teams.team) as team
from finished_deployments
left join repository_teams on
    repository_teams.organization = finished_deployments.organization
    and repository_teams.repository_key = finished_deployments.repository_key
    and repository_teams.service = finished_deployments.service
where
    finished_deployments.organization = question['organization']
    and is_within(question, finished_deployments.finished_at)
    and is_asked(
        question,
        finished_deployments.repository_key,
        finished_deployments.service,
        coalesce(finished_deployments.team, repository_teams.team),
        finished_deployments.labels
    );
