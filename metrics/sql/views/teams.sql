-- teams: every team that a deployment, a repository or a service has, and how much of them.
-- One row a team; `repositories` are those that it has deployed or is set for, `deployments` its finished ones.
with
owned as (
    select team_key, team, repository_key, 0 as deployments
    from repository_teams
    where organization = $organization and team_key is not null
    union all
    select
        coalesce(deployments.team_key, repository_teams.team_key),
        coalesce(deployments.team, repository_teams.team),
        finished_deployments.repository_key,
        1
    from finished_deployments
    join deployments using (id)
    left join repository_teams on
        repository_teams.organization = finished_deployments.organization
        and repository_teams.repository_key = finished_deployments.repository_key
        and repository_teams.service_key = finished_deployments.service_key
    where finished_deployments.organization = $organization
)
select
    min(team) as team,
    count(distinct repository_key) as repositories,
    sum(deployments)::bigint as deployments
from owned
where team_key is not null
group by team_key
order by team_key
