-- What the lists of commits of the window are made of. `commits`: that were carried first; `with_history`: of these, those
-- that came with the first deployment of a stream, where it carries any from more than 91 days before it.
-- `lists`: deployments that tell commits; `heads`: of these, those that tell the deployed one alone.
with
shipped as (
    select id
    from deployments_in_reach($question::question)
    where succeeded and list_contains($question['environments'], environment_key)
),
carried as (
    select
        shipped.id,
        count(*) filter (where commits.is_first and commits.lead_seconds >= 0) as commits,
        coalesce(max(commits.lead_seconds) > 91 * 86_400, false) as is_old
    from shipped
    join carried_commits as commits on commits.deployment_id = shipped.id
    group by shipped.id
)
select
    coalesce(sum(carried.commits), 0)::bigint as commits,
    coalesce(sum(carried.commits) filter (where finished_deployments.position = 1 and carried.is_old), 0)::bigint
        as with_history,
    count(*) filter (where finished_deployments.tells_commits) as lists,
    count(*) filter (
        where
        len(deployments.commits) = 1
        and starts_with(deployments.commits[1]['sha'], left(deployments.commit_id, 7))
    ) as heads
from carried
join finished_deployments using (id)
join deployments using (id)
