-- The deployment that each incident is linked to, and how: docs/metrics.md, section 2.
create or replace macro incident_causes(question) as table
select incident_id, deployment_id, method, started_at, resolved_at
from incident_links
where organization = question['organization'];
