-- What each failed deployment has failed by, under the signals asked for: its incidents and remediations.
-- One row a deployment; `causes` in the order in which they happened, an incident with the time when it
-- was resolved.
create or replace macro failure_causes(question) as table
with
causes as (
    select
        deployment_id as id,
        {
            'kind': 'incident',
            'id': incident_id,
            'method': method,
            'signals': ['incident'],
            'happened_at': started_at,
            'resolved_at': resolved_at
        } as cause
    from incident_links
    where
        organization = question['organization']
        and list_contains(question['signals'], 'incident')
    union all
    select
        culprit_id,
        {
            'kind': 'remediation',
            'id': id,
            'method': method,
            'signals': list_filter(signals, lambda signal: list_contains(question['signals'], signal)),
            'happened_at': finished_at,
            'resolved_at': null
        }
    from remediations
    where
        organization = question['organization']
        and culprit_id is not null
        and list_has_any(signals, question['signals'])
)
select id, list(cause order by cause.happened_at, cause.id) as causes
from causes
group by id;
