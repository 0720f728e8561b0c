-- Current versions of repositories and their services, out of the rows that have come in. The repository that one
-- belongs to is its own until `changes/aliases.sql` has looked.
select
    id,
    organization,
    repository_key,
    repository_key as recorded_key,
    repository_host,
    repository_path as repository,
    service_key,
    service,
    team_key,
    team,
    from_json(aliases, '["varchar"]') as aliases
from incoming
where superseded_revision is distinct from revision
