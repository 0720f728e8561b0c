-- The name by which a question groups what has this repository, service, team, environment and branch.
create or replace macro group_of(question, repository_key, service, team, environment_key, branch) as (
    case question['group_by']
        when 'repository' then repository_key
        when 'service' then nullif(service, '')
        when 'team' then team
        when 'environment' then environment_key
        when 'branch' then branch
    end
);
