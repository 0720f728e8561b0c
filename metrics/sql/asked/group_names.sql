-- The names in the dimension that a question groups by, of all that it counts; null for what has none.
create or replace macro group_names(question) as table
select group_name from asked_deployments(question)
union
select group_name from asked_incidents(question);
