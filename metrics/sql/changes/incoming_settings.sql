-- The organizations whose settings have come in.
insert into changed_settings
select organization from incoming;
