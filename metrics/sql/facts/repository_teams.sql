-- Of every repository and service that a record has named, of the organizations of which rows have come in: the team
-- that it belongs to, its own or else its repository's, and how the repository is shown. What is recorded under an
-- alias counts where nothing else is said.
with
known as (
    select
        organization,
        repository_key,
        service_key,
        arg_min(team_key, recorded_key <> repository_key) filter (where team_key is not null) as team_key,
        arg_min(team, recorded_key <> repository_key) filter (where team is not null) as team,
        arg_min(repository, recorded_key <> repository_key) as repository
    from repositories
    where organization in (select organization from incoming)
    group by organization, repository_key, service_key
)
select
    known.organization,
    known.repository_key,
    known.service_key,
    coalesce(known.team_key, whole.team_key) as team_key,
    coalesce(known.team, whole.team) as team,
    whole.repository
from known
left join known as whole on
    whole.organization = known.organization
    and whole.repository_key = known.repository_key
    and whole.service_key = ''
order by known.organization, known.repository_key, known.service_key
