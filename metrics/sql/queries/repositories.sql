-- Every identity of a repository that a record of the organization has named, and the repository it belongs to.
select distinct repository_key, recorded_key, repository_host, repository
from repositories
where organization = $organization and service_key = ''
order by recorded_key
