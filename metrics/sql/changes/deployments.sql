-- What the deployments in `touched` may change: their streams, whatever names them, the shortened commit ids that
-- are theirs, and those of others that begin like theirs.
insert into changed_deployables
select distinct deployable from touched;

insert into changed_names
select organization, repository_key, service_key, id from touched
union all
select distinct organization, repository_key, service_key, deployment_node_id from touched
where deployment_node_id is not null;

insert into short_commits
select distinct
    organization,
    repository_key,
    deployable,
    unnest(list_filter(named_commits(commit_id, remediates, commits), lambda sha: is_short(sha))) as short
from touched
except
select organization, repository_key, deployable, short from short_commits;

insert into changed_shorts
select distinct short_commits.organization, short_commits.repository_key, short_commits.short
from short_commits
semi join (
    select
        organization,
        repository_key,
        unnest(list_transform(named_commits(commit_id, remediates, commits), lambda sha: sha[:7])) as beginning
    from touched
    -- Most repositories know whole commit ids alone.
    where repository_key in (select repository_key from short_commits)
) as told on
    told.organization = short_commits.organization
    and told.repository_key = short_commits.repository_key
    and told.beginning = short_commits.short[:7];
