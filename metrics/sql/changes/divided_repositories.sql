-- The shortened commit ids of repositories of which each part has seen some services alone.
insert into changed_shorts
select distinct organization, repository_key, short from short_commits
where list_contains($divided::varchar[], repository_key)
