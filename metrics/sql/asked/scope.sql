-- What a question is about, what may be seen of it, and how it is grouped.

-- The environments that an incident is of: its own, and where it names none, the production environments.
create or replace macro environments_of(environment_key, production_environments) as (
    case when environment_key is not null then [environment_key] else production_environments end
);

-- Whether a question is about what has this repository, service, team and labels.
create or replace macro is_asked(question, repository_key, service_key, team_key, labels) as (
    (question['repository_keys'] is null or list_contains(question['repository_keys'], repository_key))
    and (question['services'] is null or list_contains(question['services'], service_key))
    and (question['teams'] is null or coalesce(list_contains(question['teams'], team_key), false))
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

-- Whether the one who asks may see what belongs to a repository, or to none.
create or replace macro may_see(question, repository_key) as (
    question['visible_keys'] is null
    or coalesce(list_contains(question['visible_keys'], repository_key), false)
);

-- The name by which a question groups what has this repository, service, team, environment and branch.
create or replace macro group_of(question, repository_key, service_key, team_key, environment_key, branch) as (
    case question['group_by']
        when 'repository' then repository_key
        when 'service' then nullif(service_key, '')
        when 'team' then team_key
        when 'environment' then environment_key
        when 'branch' then branch
    end
);

-- The names in the dimension that a question groups by, of all that it counts; null for what has none.
create or replace macro group_names(question) as table
select group_name from asked_deployments(question)
union
select group_name from asked_incidents(question);
