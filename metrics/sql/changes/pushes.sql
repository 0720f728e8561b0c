-- Streams of repositories with new pushes in which a deployment tells no commits.
insert into changed_deployables
select distinct finished_deployments.deployable
from finished_deployments
join pushes using (organization, repository_key)
where
    pushes.id in (select id from incoming)
    and finished_deployments.succeeded
    and not finished_deployments.tells_commits;
