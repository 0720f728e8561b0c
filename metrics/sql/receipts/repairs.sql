-- What a deployment repairs: its signals, the deployment that it marks as failed, and by which rule.
-- One row where it is a remediation, else none; `deployment_id` is null where nobody knows what it repairs.
select culprit_id as deployment_id, method, signals
from remediations
where organization = $organization and id = $id
