-- The longest pause between two of the deployments that a question is about, whatever its window, in microseconds; null
-- where there are fewer than two.
with
pauses as (
    select finished_at - lag(finished_at) over (order by finished_at) as pause
    from deployments_of_all_times($question::question)
    where list_contains($question['environments'], environment_key)
)
select epoch_us(max(pause)) as pause_us
from pauses
