-- Incidents whose deployment may be another one now: of a repository that changed, or naming what changed.
insert into changed_incidents
select incidents.id from incidents
semi join changed_names on
    changed_names.organization = incidents.organization
    and changed_names.repository_key = incidents.repository_key
where incidents.id not in (select incident_id from changed_incidents);

-- Without a repository, the service says where to look, and a commit is looked for everywhere.
insert into changed_incidents
select incidents.id from incidents
semi join changed_names on
    changed_names.organization = incidents.organization
    and (changed_names.service_key = incidents.service_key or incidents.commit_id is not null)
where
    incidents.repository_key is null
    and incidents.id not in (select incident_id from changed_incidents);

insert into changed_incidents
select incidents.id from incidents
semi join changed_names on
    changed_names.organization = incidents.organization
    and changed_names.name = incidents.deployment
where incidents.id not in (select incident_id from changed_incidents);
