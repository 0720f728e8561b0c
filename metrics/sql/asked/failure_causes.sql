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
