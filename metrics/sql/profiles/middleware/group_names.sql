-- The names in the dimension that a question groups by, of all that it counts; null for what has none.
-- Incidents count when they are resolved, which may be the only thing of theirs in the window.
create or replace macro group_names(question) as table
select group_name from asked_deployments(question)
union
select group_name from asked_incidents(question)
union
select group_name from recoveries(question)
where is_within(question, happened_at);
