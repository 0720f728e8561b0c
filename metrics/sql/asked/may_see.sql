-- Whether the one who asks may see what belongs to a repository, or to none.
create or replace macro may_see(question, repository_key) as (
    question['visible_keys'] is null
    or coalesce(list_contains(question['visible_keys'], repository_key), false)
);
