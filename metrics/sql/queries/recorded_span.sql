-- When the deployments that a question is about were first and last recorded as finished, whatever its window, in
-- microseconds; null where there are none.
select
    epoch_us(min(finished_at)) as first_us,
    epoch_us(max(finished_at)) as last_us
from deployments_of_all_times($question::question)
where list_contains($question['environments'], environment_key)
