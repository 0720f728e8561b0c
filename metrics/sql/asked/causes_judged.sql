-- The incidents and remediations of the window, and why one makes no deployment of the answer a failed one.
-- `happened_at` is when the incident began or the remediation finished; `deployment_id` what it is linked to.
--
-- reason is null where the deployment that failed is in the answer, with this as a cause. Else:
-- signal_off: the question does not ask for what it says.
-- not_change_related: an incident that no deployment has caused.
-- unattributed: nobody knows which deployment failed.
-- not_in_window: that deployment finished outside of the window, and counts there.
-- did_not_reach_production: that deployment finished `fail`, and no signal asked for says that it reached users.
-- not_asked_for: it finished in the window, and is in another environment, repository, service or team.
create or replace macro causes_judged(question) as table
with
causes as (
    select
        'remediation' as kind,
        asked.id,
        asked.repository_key,
        asked.service,
        asked.environment_key,
        asked.group_name,
        asked.finished_at as happened_at,
        remediations.culprit_id as deployment_id,
        remediations.method,
        remediations.signals,
        true as change_related
    from asked_deployments(question) as asked
    join remediations using (id)
    union all
    select
        'incident',
        id,
        repository_key,
        service,
        environment_key,
        group_name,
        started_at,
        deployment_id,
        method,
        ['incident'],
        change_related
    from asked_incidents(question)
),
judged as (
    select
        causes.*,
        failed.repository_key as failed_repository_key,
        case
            when not causes.change_related then 'not_change_related'
            when causes.kind = 'incident' and causes.deployment_id is null then 'unattributed'
            when not list_has_any(causes.signals, question['signals']) then 'signal_off'
            when causes.deployment_id is null then 'unattributed'
            when not is_within(question, failed.finished_at)
                then 'not_in_window'
            when causes.deployment_id in (
                select id from asked_deployments(question) where did_not_reach_production
            )
                then 'did_not_reach_production'
            when causes.deployment_id not in (select id from asked_deployments(question))
                then 'not_asked_for'
        end as reason
    from causes
    left join finished_deployments as failed on failed.id = causes.deployment_id
)
select
    reason,
    kind,
    id,
    repository_key,
    service,
    environment_key,
    group_name,
    happened_at,
    case when may_see(question, failed_repository_key) then deployment_id end as deployment_id,
    method,
    signals
from judged;
