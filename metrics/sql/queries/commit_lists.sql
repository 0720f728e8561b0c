-- What the lists of commits of the window are made of. `commits`: that were carried first; `with_history`: of these, those
-- that came with the first deployment of a stream, where it carries any from more than 91 days before it.
-- `derived`: of them, those that are known from pushes.
-- `lists`: deployments that tell commits; `heads`: of these, those that tell the deployed one alone.
with
by_deployment as (
    select
        any_value(is_first_of_stream) and max(lead_seconds) > 91 * 86_400 as is_history,
        any_value(tells_commits) as tells_commits,
        any_value(tells_head_alone) as tells_head_alone,
        count(*) filter (where is_first and lead_seconds >= 0) as commits,
        count(*) filter (where is_first and lead_seconds >= 0 and is_derived) as derived
    from asked_commits($question::question)
    where is_within($asked_window::time_window, finished_at)
    group by deployment_id
)
select
    coalesce(sum(commits), 0)::bigint as commits,
    coalesce(sum(commits) filter (where is_history), 0)::bigint as with_history,
    coalesce(sum(derived), 0)::bigint as derived,
    count(*) filter (where tells_commits) as lists,
    count(*) filter (where tells_head_alone) as heads
from by_deployment
