-- The organizations whose environments and settings are worked out again: of which these are the first records, or
-- for which settings have come in.
insert into changed_organizations
select distinct organization from incoming
where
    ($in_any_case or organization not in (select organization from settings))
    and organization not in (select organization from changed_organizations);
