-- What views show of current versions, out of the rows that have come in from the record database.
select *
    exclude (superseded_revision)
    replace (
        make_timestamp(created_at)::timestamptz as created_at,
        make_timestamp(recorded_at)::timestamptz as recorded_at
    )
from incoming
where superseded_revision is distinct from revision
