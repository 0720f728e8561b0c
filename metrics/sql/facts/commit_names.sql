-- What each shortened commit id that may have changed stands for: the whole one of the same repository that begins
-- with it, where exactly one is known, of releases and of carried commits. One without a row stands for itself.
with
shortened as (
    select distinct organization, repository_key, short from changed_shorts
),
known as (
    select
        organization,
        repository_key,
        unnest(list_filter(named_commits(commit_id, null, commits), lambda sha: not is_short(sha))) as sha
    from deployments
    where repository_key in (select repository_key from shortened)
)
select shortened.organization, shortened.repository_key, shortened.short, min(known.sha) as whole
from shortened
join known on
    known.organization = shortened.organization
    and known.repository_key = shortened.repository_key
    and known.sha[:7] = shortened.short[:7]
    and starts_with(known.sha, shortened.short)
group by shortened.organization, shortened.repository_key, shortened.short
having count(distinct known.sha) = 1
