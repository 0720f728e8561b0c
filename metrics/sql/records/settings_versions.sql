-- Every version of what organizations have set, out of the rows that have come in: by whom, and when.
select
    organization,
    revision,
    make_timestamp(recorded_at)::timestamptz as recorded_at,
    recorded_by,
    timezone,
    from_json(production_environments, '["varchar"]') as production_environments,
    from_json(failure_signals, '["varchar"]') as failure_signals,
    attribution_gap_days
from incoming
where recorded_at is not null
