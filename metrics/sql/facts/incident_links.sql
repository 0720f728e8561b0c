-- The deployment that each incident that may have changed is linked to, and the method: docs/metrics.md, section 2.
--
-- 1. `explicit`: the incident names it, by id, by node id in its repository, or by repository and
--    commit: the latest such in its environment that started (where not known: finished) by its start.
--    Of several with one node id or commit, one of the service that the incident names comes first. The
--    name decides alone: one that is not known has no link until what it names is recorded.
-- 2. `nearest`: the last of its streams to have started by then, unless that finished more than the
--    attribution gap before; also one that failed, where the incident began in its run. An incident without
--    a service looks in all services of its repository, one without an environment in the production ones.
-- An incident that no rule fits, or that no change caused, has no row.
with
linkable as (
    select incidents.*, settings.production_environments, settings.attribution_gap_days
    from incidents
    join settings using (organization)
    where
        incidents.change_related
        and incidents.id in (select incident_id from changed_incidents)
),
finished as (
    select *, coalesce(started_at, finished_at) as under_way_at
    from finished_deployments
    where repository_key in (select repository_key from linkable)
),
named as (
    select
        linkable.id as incident_id,
        finished.id as deployment_id,
        finished.finished_at,
        finished.first_revision,
        1 as rule_rank,
        0 as match_score
    from linkable
    join finished_deployments as finished on
        finished.organization = linkable.organization
        and finished.id = linkable.deployment
    union all
    select
        linkable.id,
        finished.id,
        finished.finished_at,
        finished.first_revision,
        2,
        (finished.service = linkable.service and linkable.service <> '')::integer
        + coalesce((finished.environment_key = linkable.environment_key)::integer, 0)
    from linkable
    join finished on
        finished.organization = linkable.organization
        and finished.repository_key = linkable.repository_key
        and finished.deployment_node_id = linkable.deployment
    union all
    select
        linkable.id,
        finished.id,
        finished.finished_at,
        finished.first_revision,
        3,
        (finished.service = linkable.service and linkable.service <> '')::integer
    from linkable
    join finished on
        finished.organization = linkable.organization
        and finished.repository_key = linkable.repository_key
        and finished.commit_id = linkable.commit_id
        and finished.under_way_at <= linkable.started_at
    where
        list_contains(
            environments_of(linkable.environment_key, linkable.production_environments), finished.environment_key
        )
),
explicit_links as (
    select incident_id, deployment_id
    from named
    qualify row_number() over (
        partition by incident_id
        order by rule_rank, match_score desc, finished_at desc, first_revision desc
    ) = 1
),
under_way as (
    select
        linkable.id as incident_id,
        finished.id as deployment_id,
        finished.finished_at + to_days(linkable.attribution_gap_days) >= linkable.started_at as is_near
    from linkable
    join finished on
        finished.organization = linkable.organization
        and finished.repository_key = linkable.repository_key
        and (linkable.service = '' or finished.service = linkable.service)
        and finished.under_way_at <= linkable.started_at
    where
        (finished.succeeded or linkable.started_at between finished.started_at and finished.finished_at)
        and not names_a_deployment(linkable.deployment, linkable.commit_id)
        and list_contains(
            environments_of(linkable.environment_key, linkable.production_environments), finished.environment_key
        )
    qualify row_number() over (
        partition by linkable.id
        order by finished.finished_at desc, finished.first_revision desc
    ) = 1
),
links as (
    select incident_id, deployment_id, 'explicit' as method from explicit_links
    union all
    select incident_id, deployment_id, 'nearest' from under_way where is_near
)
select
    links.incident_id,
    linkable.organization,
    links.deployment_id,
    links.method,
    linkable.started_at,
    linkable.resolved_at,
    linkable.first_revision
from links
join linkable on linkable.id = links.incident_id
order by linkable.organization, linkable.started_at, linkable.first_revision
