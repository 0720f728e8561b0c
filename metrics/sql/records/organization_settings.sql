-- Current versions of what organizations have set, out of the rows that have come in.
select
    id,
    organization,
    timezone,
    from_json(production_environments, '["varchar"]') as production_environments,
    from_json(failure_signals, '["varchar"]') as failure_signals,
    attribution_gap_days,
    benchmark
from incoming
where superseded_revision is distinct from revision
