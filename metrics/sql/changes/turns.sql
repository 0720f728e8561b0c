-- The streams that changed in turns, each of about `$most` deployments; also those that have none any more.
with
counted as (
    select
        changed_deployables.deployable,
        sum(count(deployments.id)) over (order by changed_deployables.deployable) as deployments
    from (select distinct deployable from changed_deployables) as changed_deployables
    left join deployments using (deployable)
    group by changed_deployables.deployable
)
select list(deployable) as deployables
from counted
group by (greatest(deployments, 1) - 1) // $most
