-- Whether a finished deployment reached users: docs/metrics.md, section 4.
create or replace macro is_in_population(question, succeeded, has_incident) as (
    succeeded
    or has_incident
    or list_contains(question['signals'], 'status')
);
