-- The deployments whose identity belongs to another repository now.
update deployments set repository_key = moved.repository_key, deployable = moved.deployable
from deployments_moved as moved
where deployments.id = moved.id;
