-- The names in the dimension that a question groups by; null, last, for what has none.
select group_name
from group_names($question::question)
order by group_name nulls last
