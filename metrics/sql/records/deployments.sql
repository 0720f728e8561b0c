-- Current versions of deployments, out of the rows that have come in from the record database.
select
    incoming.id,
    incoming.revision,
    incoming.first_revision,
    incoming.organization,
    coalesce(aliases.repository_key, incoming.repository_key) as repository_key,
    incoming.repository_key as recorded_key,
    incoming.service_key,
    incoming.service,
    incoming.environment_key,
    incoming.environment,
    incoming.production,
    incoming.status,
    incoming.commit_id,
    incoming.version,
    incoming.branch,
    make_timestamp(incoming.started_at)::timestamptz as started_at,
    make_timestamp(incoming.finished_at)::timestamptz as finished_at,
    coalesce(incoming.is_fix, false) as is_fix,
    coalesce(incoming.is_hotfix, false) as is_hotfix,
    incoming.is_rollback,
    incoming.remediates,
    incoming.team_key,
    incoming.team,
    incoming.deployment_node_id,
    list_transform(
        from_json(incoming.commits, '[{"sha": "varchar", "committed_at": "bigint"}]'),
        lambda entry: struct_pack(
            sha := entry.sha, committed_at := make_timestamp(entry.committed_at)::timestamptz
        )
    ) as commits,
    deployable_of(
        incoming.organization, coalesce(aliases.repository_key, incoming.repository_key), incoming.service_key
    ) as deployable,
    from_json(incoming.labels, '"map(varchar, varchar)"') as labels
from incoming
left join aliases on
    aliases.organization = incoming.organization
    and aliases.recorded_key = incoming.repository_key
where incoming.superseded_revision is distinct from incoming.revision
order by deployable, finished_at
