-- The last instant at which a deployment can have finished to be blamed for an incident: that of the incident.
create or replace macro blames_until(started_at) as started_at;
