-- The incidents that have come in.
insert into changed_incidents
select id from incoming;
