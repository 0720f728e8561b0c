-- What the time to recover is counted over: deployments, and of those that failed and recovered the seconds.
-- One that failed and has no seconds is open.
create or replace macro recoveries(question) as table
select
    finished_at as happened_at,
    group_name,
    in_population,
    is_failed,
    case when is_failed then epoch_us(recovered_at - failed_at) / 1e6 end as seconds
from asked_deployments(question);
