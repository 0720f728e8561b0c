-- What the deployments in `incoming` may change of shortened commit ids: those that are theirs, and those of others that
-- begin like theirs.
insert into short_commits
select distinct
    organization,
    repository_key,
    deployable,
    unnest(list_filter(named_commits(commit_id, remediates, commits), lambda sha: is_short(sha))) as short
from incoming
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
    from incoming
    -- Most repositories know whole commit ids alone.
    where repository_key in (select repository_key from short_commits)
) as told on
    told.organization = short_commits.organization
    and told.repository_key = short_commits.repository_key
    and told.beginning = short_commits.short[:7];
