-- Whether a finished deployment is counted: only one that succeeded.
create or replace macro is_in_population(question, succeeded, has_incident) as succeeded;
