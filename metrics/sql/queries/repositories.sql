-- Every repository that a record of the organization has named.
select distinct repository_key, repository_host, repository
from repositories
where organization = $organization and service = ''
order by repository_key
