-- Whether something happened in the window.
create or replace macro is_within(question, happened_at) as (
    happened_at >= question['from_at'] and happened_at < question['to_at']
);
