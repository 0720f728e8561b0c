-- What the lists of commits of the window are made of. `commits`: that were carried first; `with_history`: of these, those
-- that came with the first deployment of a stream, where it carries any from more than 91 days before it.
-- `derived`: of them, those that are known from pushes.
-- `lists`: deployments that tell commits; `heads`: of these, those that tell the deployed one alone.
with
shipped as (
    select id, is_first_of_stream, tells_commits, tells_head_alone
    from asked_deployments($question::question)
    where succeeded and carries_commits and is_within($asked_window::time_window, finished_at)
),
carried as (
    select
        shipped.id,
        count(*) filter (where commits.is_first and commits.lead_seconds >= 0) as commits,
        count(*) filter (where commits.is_first and commits.lead_seconds >= 0 and commits.is_derived) as derived,
        coalesce(max(commits.lead_seconds) > 91 * 86_400, false) as is_old
    from shipped
    join carried_commits as commits on commits.deployment_id = shipped.id
    group by shipped.id
)
select
    coalesce(sum(carried.commits), 0)::bigint as commits,
    coalesce(sum(carried.commits) filter (where shipped.is_first_of_stream and carried.is_old), 0)::bigint
        as with_history,
    coalesce(sum(carried.derived), 0)::bigint as derived,
    count(*) filter (where shipped.tells_commits) as lists,
    count(*) filter (where shipped.tells_head_alone) as heads
from carried
join shipped using (id)
