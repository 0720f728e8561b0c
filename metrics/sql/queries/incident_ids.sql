-- A page of the incidents that a question is about, the latest to begin first; `open` true: those that are open, false:
-- those that are over, null: all of them.
select asked.id
from asked_incidents($question::question) as asked
join incidents on incidents.id = asked.id
where $open::boolean is null or (incidents.resolved_at is null) = $open::boolean
order by incidents.started_at desc, asked.id desc
limit $most
offset $passed_over
