-- The deployments that no metric of successful deployments counts, and why: those that none counts, and
-- failed: it failed, and reached users, as an incident that names it tells, or `status` is asked for.
create or replace macro deployments_without_success(question) as table
select reason, id, deployment_id, repository_key, service, environment_key, group_name, happened_at
from deployments_left_out(question)
union all
select 'failed', id, id, repository_key, service, environment_key, group_name, finished_at
from asked_deployments(question)
where in_population and not succeeded;
