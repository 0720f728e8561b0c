-- Whether a question is about an incident of this service and team. Labels are deployments' alone.
create or replace macro is_asked_incident(question, service, team) as (
    (question['services'] is null or list_contains(question['services'], service))
    and (question['teams'] is null or coalesce(list_contains(question['teams'], team), false))
);
