-- The incidents of the window that a question is about, each with the deployment that it is linked to.
create or replace macro asked_incidents(question) as table
select
    incidents.*,
    causes.deployment_id,
    causes.method,
    incidents.change_related and causes.incident_id is null as is_unattributed
from incidents_in_reach(question) as incidents
left join incident_causes(question) as causes on causes.incident_id = incidents.id
where is_within(question, incidents.started_at);
