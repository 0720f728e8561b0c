-- Current versions of incidents, out of the rows that have come in from the record database.
select
    id,
    revision,
    first_revision,
    organization,
    make_timestamp(started_at)::timestamptz as started_at,
    make_timestamp(resolved_at)::timestamptz as resolved_at,
    environment_key,
    repository_key,
    service,
    deployment,
    commit_id,
    change_related
from incoming
where superseded_revision is distinct from revision
