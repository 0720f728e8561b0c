-- A rate: 0 where there is nothing to have a share of.
create or replace macro share_of(numerator, denominator) as coalesce(numerator / nullif(denominator, 0), 0);
