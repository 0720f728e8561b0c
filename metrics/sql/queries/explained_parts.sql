-- How many rows of an explanation are counted, and how many of them in the numerator; how many are left out, and
-- for which reason.
with
rows_explained as (
    select * from explained
    union all by name
    select null::boolean as in_numerator
    where false
)
select
    case when counted then null else reason end as reason,
    kind,
    count(*) as number_of_rows,
    count(*) filter (where in_numerator) as in_numerator
from rows_explained
group by counted, case when counted then null else reason end, kind
order by counted desc, number_of_rows desc, reason, kind
