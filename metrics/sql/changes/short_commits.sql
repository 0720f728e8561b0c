-- The shortened commit ids that incidents name, in the repositories that they may be of; and the streams whose
-- releases may be others, as a shortened commit id is another whole one now.
insert into short_commits
select distinct incidents.organization, repositories.repository_key, null::ubigint as deployable, incidents.commit_id
from incidents
join repositories on
    repositories.organization = incidents.organization
    and coalesce(incidents.repository_key, repositories.repository_key) = repositories.repository_key
where is_short(incidents.commit_id)
except
select organization, repository_key, deployable, short from short_commits;

insert into changed_shorts
select organization, repository_key, short from short_commits
where
    deployable is null
    and (organization, repository_key, short) not in (
        select organization, repository_key, short from commit_names
    );

-- What was pushed may be told short as well.
insert into changed_deployables
select distinct derived_commits.deployable
from derived_commits
semi join changed_shorts on
    changed_shorts.organization = derived_commits.organization
    and changed_shorts.short = derived_commits.sha;

insert into changed_deployables
select distinct deployable from short_commits
where
    deployable is not null
    and (organization, repository_key, short) in (select organization, repository_key, short from changed_shorts);
