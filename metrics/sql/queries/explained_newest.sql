-- A page of one part of an explanation's rows, the latest first; `part` is numerator (of a rate), counted, left_out,
-- or failed: those that recovered, and those that are open.
with
rows_explained as (
    select * from explained
    union all by name
    select null::boolean as in_numerator
    where false
)
select *
from rows_explained
where
    case $part
        when 'numerator' then coalesce(in_numerator, false)
        when 'counted' then counted
        when 'failed' then counted or reason = 'open'
        else not counted and reason <> 'open'
    end
order by order_us desc, kind, id desc, order_id
limit $most
offset $passed_over
