-- What belongs to another team than before, as `repository_teams` has just been worked out.
insert into changed_deployables
select deployable_of(organization, repository_key, service_key)
from repository_teams
full join teams_before using (organization, repository_key, service_key)
where
    organization in (select organization from incoming)
    and repository_teams.team_key is distinct from teams_before.team_key;
