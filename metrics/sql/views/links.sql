-- links: every link that attribution made, and every remediation and incident that it made none for.
-- One row a link; `kind` is incident or remediation, `cause_id` the incident or the remediation, and
-- `deployment_id` the deployment that failed, null where there is none; `method` is how it was found, and
-- `reason` why none was, of an incident.
select
    'incident' as kind,
    incident_id as cause_id,
    deployment_id,
    method,
    reason,
    ['incident'] as signals,
    started_at as happened_at
from incident_links
where organization = $organization
union all
select 'remediation', id, culprit_id, method, null, signals, finished_at
from remediations
where organization = $organization
order by happened_at, cause_id
