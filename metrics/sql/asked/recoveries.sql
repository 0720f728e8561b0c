-- What the time to recover is counted over.

-- What the time to recover is counted over: deployments, and of those that failed and recovered the seconds.
-- One that failed and has no seconds is open.
create or replace macro recoveries(question) as table
select
    finished_at as happened_at,
    group_name,
    in_population,
    is_failed,
    case when is_failed then seconds_to_recover end as seconds
from asked_deployments(question);

-- What the time to recover is counted over, row by row, and what is left out of it: the failed deployments with
-- their causes, and every incident of the window. Deployments that did not fail are in no row.
--
-- open: it has not recovered.
-- counted_by_its_deployment: an incident that is a cause of a deployment in the rows above.
create or replace macro recoveries_explained(question) as table
with
failed as (
    select
        deployments.recovered_at is not null as counted,
        case when deployments.recovered_at is null then 'open' end as reason,
        'deployment' as kind,
        deployments.id,
        deployments.id as deployment_id,
        deployments.repository_key,
        deployments.service_key,
        deployments.environment_key,
        deployments.group_name,
        deployments.finished_at as happened_at,
        deployments.failed_at,
        deployments.recovered_at,
        deployments.seconds_to_recover as seconds,
        -- As section 3 has it, the first incident decides where there is one.
        coalesce(
            list_filter(failures.causes, lambda cause: cause['kind'] = 'incident')[1]['method'],
            failures.causes[1]['method']
        ) as method,
        failures.causes
    from asked_deployments(question) as deployments
    left join failure_causes(question) as failures using (id)
    where deployments.is_failed
),
left_out as (
    select false as counted, 'deployment' as kind, * from deployments_left_out(question)
    union all by name
    select
        false as counted,
        * replace (coalesce(reason, 'counted_by_its_deployment') as reason)
    from causes_judged(question)
    where reason is not null or kind = 'incident'
)
select * from failed
union all by name
select * from left_out;
