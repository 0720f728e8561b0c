-- A rate: null where there is nothing to have a share of.
create or replace macro share_of(numerator, denominator) as numerator / nullif(denominator, 0);
