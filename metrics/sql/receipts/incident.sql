-- What incidents mark as failed: each the deployment, and by which rule; both null where none is known. A deployment
-- that may not be seen is not named.
select
    incidents.id,
    case
        when may_see({'visible_keys': $visible_keys::varchar[]}, failed.repository_key)
            then incident_links.deployment_id
    end as deployment_id,
    incident_links.deployment_id is not null as is_linked,
    incident_links.method,
    incidents.change_related,
    incident_links.reason as without_link
from incidents
left join incident_links on incident_links.incident_id = incidents.id
left join finished_deployments as failed on failed.id = incident_links.deployment_id
where incidents.organization = $organization and list_contains($ids::varchar[], incidents.id)
order by incidents.id
