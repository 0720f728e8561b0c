-- What was pushed, out of the rows that have come in.
select
    incoming.id,
    incoming.revision,
    incoming.organization,
    coalesce(aliases.repository_key, incoming.repository_key) as repository_key,
    incoming.repository_key as recorded_key,
    incoming.before,
    incoming.after,
    list_transform(
        from_json(incoming.commits, '[{"sha": "varchar", "committed_at": "bigint", "is_merge": "boolean"}]'),
        lambda entry: struct_pack(
            sha := entry.sha,
            committed_at := make_timestamp(entry.committed_at)::timestamptz,
            is_merge := entry.is_merge
        )
    ) as commits
from incoming
left join aliases on
    aliases.organization = incoming.organization
    and aliases.recorded_key = incoming.repository_key
where incoming.superseded_revision is distinct from incoming.revision
