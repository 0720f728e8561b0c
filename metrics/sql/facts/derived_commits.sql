-- The commits of each successful deployment of the streams that changed that carries none by what was told: those
-- that were pushed after the release before it, up to its own, where the pushes between are all known.
--
-- From the push that brought its release it goes back, push by push, until one brought the release before it, or
-- began where that was. A rollback finds none that way, nor does a deployment off another branch.
with recursive
wanting as (
    select
        deployment.id,
        deployment.organization,
        deployment.repository_key,
        deployment.deployable,
        deployment.release,
        before.release as release_before
    from finished_deployments as deployment
    join finished_deployments as before on before.id = deployment.previous_id
    where
        deployment.deployable in (select deployable from changed_deployables)
        and not deployment.carries_commits
        and deployment.release <> before.release
),
known as (
    select * from pushes
    where (organization, repository_key) in (select organization, repository_key from wanting)
),
places as (
    select
        id as push_id,
        revision,
        organization,
        repository_key,
        unnest(list_transform(commits, lambda entry: entry.sha)) as sha,
        unnest(range(1, len(commits) + 1)) as place
    from known
),
steps as (
    select
        wanting.id,
        wanting.organization,
        wanting.repository_key,
        wanting.release_before,
        known.id as push_id,
        known.before,
        places.place as last_place,
        [known.id] as passed,
        coalesce(known.before = wanting.release_before, false) as begins_there,
        list_position(list_transform(known.commits, lambda entry: entry.sha), wanting.release_before)
            as place_before
    from wanting
    join places on
        places.organization = wanting.organization
        and places.repository_key = wanting.repository_key
        and places.sha = wanting.release
    join known on known.id = places.push_id
    -- What was pushed twice came last with the newer push.
    qualify row_number() over (partition by wanting.id order by places.revision desc) = 1
    union all
    select
        steps.id,
        steps.organization,
        steps.repository_key,
        steps.release_before,
        known.id,
        known.before,
        len(known.commits),
        list_append(steps.passed, known.id),
        coalesce(known.before = steps.release_before, false),
        list_position(list_transform(known.commits, lambda entry: entry.sha), steps.release_before)
    from steps
    join known on
        known.organization = steps.organization
        and known.repository_key = steps.repository_key
        and known.after = steps.before
    where
        steps.place_before is null
        and not steps.begins_there
        -- Pushes of one branch make no circle, and those that somebody makes up may.
        and not list_contains(steps.passed, known.id)
        and len(steps.passed) < 1_000
    qualify row_number() over (partition by steps.id order by known.revision desc) = 1
),
arrived as (
    select id
    from steps
    where begins_there or place_before <= last_place
),
between_them as (
    select
        steps.id,
        unnest(known.commits[coalesce(steps.place_before, 0) + 1 : steps.last_place]) as entry
    from steps
    join known on known.id = steps.push_id
    where steps.id in (select id from arrived)
)
select
    wanting.organization,
    wanting.deployable,
    wanting.id as deployment_id,
    between_them.entry['sha'] as sha,
    min(between_them.entry['committed_at']) as committed_at
from between_them
join wanting using (id)
where not between_them.entry['is_merge']
group by wanting.organization, wanting.deployable, wanting.id, between_them.entry['sha']
order by wanting.organization, deployment_id, sha
