-- A page of an explanation's rows, after a position.
select *
from explained
where (rank, order_us, kind, id, order_id) > ($rank, $order_us, $kind, $id, $order_id)
order by rank, order_us, kind, id, order_id
limit $most
