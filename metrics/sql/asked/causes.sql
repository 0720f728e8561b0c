-- What made deployments failed ones, and what made none.

-- What each failed deployment has failed by, under the signals asked for: its incidents and remediations.
-- One row a deployment; `causes` in the order in which they happened, an incident with the time when it
-- was resolved. Of one in a repository that a token does not reach, only its kind, method and signals.
create or replace macro failure_causes(question) as table
with
causes as (
    select
        incident_causes.deployment_id as id,
        'incident' as kind,
        incident_causes.incident_id as cause_id,
        incident_causes.method,
        ['incident'] as signals,
        incident_causes.started_at as happened_at,
        incident_causes.resolved_at,
        may_see(question, incidents.repository_key) as is_visible
    from incident_causes(question) as incident_causes
    join incidents on incidents.id = incident_causes.incident_id
    where list_contains(question['signals'], 'incident')
    union all
    select
        remediations.culprit_id,
        'remediation',
        remediations.id,
        remediations.method,
        list_filter(remediations.signals, lambda signal: list_contains(question['signals'], signal)),
        remediations.finished_at,
        null,
        may_see(question, repairs.repository_key)
    from remediations
    join finished_deployments as repairs on repairs.id = remediations.id
    where
        remediations.organization = question['organization']
        and remediations.culprit_id is not null
        and list_has_any(remediations.signals, question['signals'])
)
select
    id,
    list(
        {
            'kind': kind,
            'id': case when is_visible then cause_id end,
            'method': method,
            'signals': signals,
            'happened_at': case when is_visible then happened_at end,
            'resolved_at': case when is_visible then resolved_at end
        }
        order by happened_at, cause_id
    ) as causes
from causes
group by id;

-- Why nobody knows which deployment a remediation repairs.
create or replace macro unattributed_reason(names_deployment) as
    if(names_deployment, 'unknown_name', 'unattributed');

-- The incidents and remediations of the window, and why one makes no deployment of the answer a failed one.
-- `happened_at` is when the incident began or the remediation finished; `deployment_id` what it is linked to.
--
-- reason is null where the deployment that failed is in the answer, with this as a cause. Else:
-- signal_off: the question does not ask for what it says.
-- not_change_related: an incident that no deployment has caused.
-- unattributed: nobody knows which deployment failed; of an incident by this service's own rules one of the next.
-- unknown_name: it names a deployment, or alone a service, that is not known, or not by then.
-- names_nothing, ambiguous_service, nothing_deployed, too_long_ago: docs/metrics.md, section 2.
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
        asked.service_key,
        asked.environment_key,
        asked.group_name,
        asked.finished_at as happened_at,
        remediations.culprit_id as deployment_id,
        remediations.method,
        remediations.signals,
        true as change_related,
        unattributed_reason(asked.names_culprit) as without_link
    from asked_deployments(question) as asked
    join remediations using (id)
    union all
    select
        'incident',
        id,
        repository_key,
        service_key,
        environment_key,
        group_name,
        started_at,
        deployment_id,
        method,
        ['incident'],
        change_related,
        coalesce(unlinked_reason, 'unattributed')
    from asked_incidents(question)
),
judged as (
    select
        causes.*,
        failed.repository_key as failed_repository_key,
        case
            when not causes.change_related then 'not_change_related'
            when causes.kind = 'incident' and causes.deployment_id is null
                then causes.without_link
            when not list_has_any(causes.signals, question['signals']) then 'signal_off'
            when causes.deployment_id is null then causes.without_link
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
    service_key,
    environment_key,
    group_name,
    happened_at,
    case when may_see(question, failed_repository_key) then deployment_id end as deployment_id,
    method,
    signals
from judged;

-- The incidents and remediations of the window that make no deployment of the answer a failed one, and why.
create or replace macro causes_left_out(question) as table
select * from causes_judged(question)
where reason is not null;
