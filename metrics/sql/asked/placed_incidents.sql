-- The incidents of an organization, each with the repository that it belongs to, where that is known.
create or replace macro placed_incidents(question) as table
select *
from incidents
where organization = question['organization'];
