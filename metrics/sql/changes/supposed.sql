-- The facts of one organization as they would be under other settings: in temporary tables, which take the
-- place of the store's as long as they are there. Streams and deployments depend on no setting.
create temp table settings as
select
    $organization as organization,
    $timezone as timezone,
    $production_environments::varchar[] as production_environments,
    $failure_signals::varchar[] as failure_signals,
    $attribution_gap_days::integer as attribution_gap_days
