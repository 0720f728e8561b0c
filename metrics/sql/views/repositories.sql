-- repositories: every repository that a record has named, and each of its services that one has.
-- One row a repository, with an empty `service`, and one a service; `team` is its own, else its repository's, and
-- `aliases` are the other identities of the repository.
select
    coalesce(repository_teams.repository, repository_teams.repository_key) as repository,
    repository_teams.repository_key,
    coalesce(any_value(repositories.service), '') as service,
    repository_teams.team,
    coalesce(any_value(repositories.aliases) filter (where repositories.service_key = ''), []) as aliases
from repository_teams
left join repositories on
    repositories.organization = repository_teams.organization
    and repositories.repository_key = repository_teams.repository_key
    and repositories.service_key = repository_teams.service_key
where repository_teams.organization = $organization
group by repository_teams.repository, repository_teams.repository_key, repository_teams.service_key, repository_teams.team
order by repository_teams.repository_key, repository_teams.service_key
