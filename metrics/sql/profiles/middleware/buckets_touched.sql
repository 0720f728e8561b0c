-- How many calendar days, weeks or months a window has a part of, in UTC. A window that is closed has been given
-- a microsecond more, which is in no further one.
create or replace macro buckets_touched(unit, from_at, to_at) as
    greatest(date_diff(unit, from_at, to_at - interval 2 microseconds), 0) + 1;
