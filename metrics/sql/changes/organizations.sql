-- The organizations that rows have come in for.
insert into changed_organizations
select distinct organization from incoming
where organization not in (select organization from changed_organizations);
