-- How many of the successful deployments of the window are estimates, out of a repository's history, and how many there are.
select
    count(*) filter (where is_estimated) as estimated,
    count(*) as deployments
from asked_deployments($question::question)
where succeeded and is_within($asked_window::time_window, finished_at)
