-- The commits that a question is about.

-- Each commit that a successful deployment of the answer carries: `is_first` where none of its stream carried it before.
create or replace macro asked_commits(question) as table
select
    deployments.id as deployment_id,
    deployments.group_name,
    deployments.finished_at,
    deployments.is_first_of_stream,
    deployments.tells_commits,
    deployments.tells_head_alone,
    commits.is_derived,
    commits.is_first,
    commits.lead_seconds
from asked_deployments(question) as deployments
join carried_commits as commits on commits.deployment_id = deployments.id
where
    deployments.succeeded
    -- As its deployment did; of a long history the rows of the window alone are read.
    and is_within(question, commits.finished_at);
