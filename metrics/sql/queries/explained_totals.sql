-- How many rows of an explanation are counted, and left out for which reason.
select kind, reason, count(*) as rows
from explained
group by counted, kind, reason
order by counted desc, kind, reason
