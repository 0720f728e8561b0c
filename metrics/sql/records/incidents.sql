-- Current versions of incidents, out of the rows that have come in from the record database.
select
    incoming.id,
    incoming.first_revision,
    incoming.organization,
    make_timestamp(incoming.started_at)::timestamptz as started_at,
    make_timestamp(incoming.resolved_at)::timestamptz as resolved_at,
    incoming.environment_key,
    incoming.environment,
    coalesce(aliases.repository_key, incoming.repository_key) as repository_key,
    incoming.repository_key as recorded_key,
    incoming.service_key,
    incoming.service,
    incoming.deployment,
    incoming.commit_id,
    incoming.change_related,
    from_json(incoming.labels, '"map(varchar, varchar)"') as labels
from incoming
left join aliases on
    aliases.organization = incoming.organization
    and aliases.recorded_key = incoming.repository_key
where incoming.superseded_revision is distinct from incoming.revision
