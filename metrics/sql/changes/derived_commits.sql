-- Deployments of the streams that changed whose commits are known from pushes carry them.
update finished_deployments set carries_commits = true, derives_commits = true
where
    deployable in (select deployable from changed_deployables)
    and id in (select deployment_id from derived_commits);
