-- Current versions of deployments, out of the rows that have come in from the record database.
select
    id,
    revision,
    first_revision,
    organization,
    repository_key,
    repository_host,
    repository_path as repository,
    service,
    environment_key,
    status,
    commit_id,
    version,
    branch,
    make_timestamp(started_at)::timestamptz as started_at,
    make_timestamp(finished_at)::timestamptz as finished_at,
    coalesce(is_fix, false) as is_fix,
    coalesce(is_hotfix, false) as is_hotfix,
    is_rollback,
    remediates,
    team,
    deployment_node_id,
    list_transform(
        from_json(commits, '[{"sha": "varchar", "committed_at": "bigint"}]'),
        lambda entry: struct_pack(
            sha := entry.sha, committed_at := make_timestamp(entry.committed_at)::timestamptz
        )
    ) as commits,
    hash(organization, repository_key, service, environment_key) as stream,
    from_json(labels, '"map(varchar, varchar)"') as labels
from incoming
where superseded_revision is distinct from revision
order by stream, finished_at
