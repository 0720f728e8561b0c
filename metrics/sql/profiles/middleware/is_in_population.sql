-- Whether a finished deployment is counted: whatever its status.
create or replace macro is_in_population(question, succeeded, has_incident) as true;
