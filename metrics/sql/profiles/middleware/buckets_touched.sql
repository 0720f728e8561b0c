-- How many calendar days, weeks or months a window has a part of, in UTC. A window that is closed has been given
-- a microsecond more, which is in no further one. Both ends are cut to their bucket's beginning first: weeks are
-- counted as they elapse, not as they begin.
create or replace macro buckets_touched(unit, from_at, to_at) as
    greatest(
        date_diff(unit, date_trunc(unit, from_at), date_trunc(unit, to_at - interval 2 microseconds)), 0
    ) + 1;
