-- Whether a question is about what has this repository, service, team and labels.
create or replace macro is_asked(question, repository_key, service, team, labels) as (
    (question['repository_keys'] is null or list_contains(question['repository_keys'], repository_key))
    and (question['services'] is null or list_contains(question['services'], service))
    and (question['teams'] is null or coalesce(list_contains(question['teams'], team), false))
    and (
        question['labels'] is null
        or list_bool_and(
            list_transform(
                question['labels'],
                lambda label: labels[label['name']] is not distinct from label['text']
            )
        )
    )
);
