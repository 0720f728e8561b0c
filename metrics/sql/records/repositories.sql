-- Current versions of repositories and their services, out of the rows that have come in.
select id, revision, organization, repository_key, repository_host, repository_path as repository, service, team
from incoming
where superseded_revision is distinct from revision
