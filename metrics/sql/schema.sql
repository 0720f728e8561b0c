-- The tables of the store. Records come from the record database and are current versions only;
-- facts are worked out from them, by the files of the same name in facts/.
-- The store is derived: it has no keys or constraints of its own beyond "not null".
-- Instants are TIMESTAMPTZ, in UTC. `first_revision` is the order in which things were first recorded.

create table deployments (
    id varchar not null,
    revision bigint not null,
    first_revision bigint not null,
    organization varchar not null,
    repository_key varchar not null,
    repository_host varchar not null,
    repository varchar not null,
    service varchar not null,
    environment_key varchar not null,
    status varchar not null,
    commit_id varchar,
    version varchar,
    branch varchar,
    started_at timestamptz,
    finished_at timestamptz,
    is_fix boolean not null,
    is_hotfix boolean not null,
    is_rollback boolean,
    remediates varchar,
    team varchar,
    deployment_node_id varchar,
    commits struct(sha varchar, committed_at timestamptz)[] not null,
    labels map(varchar, varchar) not null,
    -- Organization, repository, service and environment in one number. It only says what to look at
    -- again; what belongs together is decided by the four themselves.
    stream ubigint not null
);

create table incidents (
    id varchar not null,
    revision bigint not null,
    first_revision bigint not null,
    organization varchar not null,
    started_at timestamptz not null,
    resolved_at timestamptz,
    environment_key varchar,
    repository_key varchar,
    service varchar not null,
    deployment varchar,
    commit_id varchar,
    change_related boolean not null
);

create table repositories (
    id varchar not null,
    revision bigint not null,
    organization varchar not null,
    repository_key varchar not null,
    repository_host varchar not null,
    repository varchar not null,
    service varchar not null,
    team varchar
);

-- Of every repository and service that a record has named: the team that it belongs to, its own or else its
-- repository's, and how the repository is shown.
create view repository_teams as
select
    repositories.organization,
    repositories.repository_key,
    repositories.service,
    coalesce(repositories.team, whole.team) as team,
    whole.repository
from repositories
left join repositories as whole on
    whole.organization = repositories.organization
    and whole.repository_key = repositories.repository_key
    and whole.service = '';

create table organization_settings (
    id varchar not null,
    revision bigint not null,
    organization varchar not null,
    timezone varchar not null,
    production_environments varchar[] not null,
    failure_signals varchar[] not null,
    attribution_gap_days integer not null,
    benchmark integer not null
);

-- Every version of what organizations have set, where the records have a history.
create table settings_versions (
    organization varchar not null,
    revision bigint not null,
    recorded_at timestamptz not null,
    recorded_by varchar not null,
    timezone varchar not null,
    production_environments varchar[] not null,
    failure_signals varchar[] not null,
    attribution_gap_days integer not null
);

-- How far the store has followed the record database: the last revision and the id of its record. One row.
create table replication (revision bigint not null, record_id varchar not null);

-- What has changed since the facts were last worked out. Empty between two pulls.
create table changed_organizations (organization varchar not null);
create table changed_settings (organization varchar not null);
create table changed_streams (stream ubigint not null);
create table changed_incidents (incident_id varchar not null);
-- What a record may be called by in others: its id, or its node id in its repository.
create table changed_names (
    organization varchar not null,
    repository_key varchar not null,
    name varchar not null
);

create table settings (
    organization varchar not null,
    timezone varchar not null,
    production_environments varchar[] not null,
    failure_signals varchar[] not null,
    attribution_gap_days integer not null
);

create table finished_deployments (
    id varchar not null,
    organization varchar not null,
    repository_key varchar not null,
    service varchar not null,
    environment_key varchar not null,
    stream ubigint not null,
    first_revision bigint not null,
    commit_id varchar,
    deployment_node_id varchar,
    branch varchar,
    team varchar,
    labels map(varchar, varchar) not null,
    remediates varchar,
    is_hotfix boolean not null,
    is_fix boolean not null,
    carries_commits boolean not null,
    succeeded boolean not null,
    started_at timestamptz,
    finished_at timestamptz not null,
    release varchar,
    position bigint,
    previous_id varchar,
    previous_finished_at timestamptz,
    redeploys_position bigint,
    is_redeployment boolean not null,
    is_rollback boolean not null,
    next_success_at timestamptz
);

create table incident_links (
    incident_id varchar not null,
    organization varchar not null,
    deployment_id varchar not null,
    method varchar not null,
    started_at timestamptz not null,
    resolved_at timestamptz,
    first_revision bigint not null
);

create table remediations (
    id varchar not null,
    organization varchar not null,
    stream ubigint not null,
    finished_at timestamptz not null,
    signals varchar[] not null,
    culprit_id varchar,
    method varchar
);

create table carried_commits (
    organization varchar not null,
    stream ubigint not null,
    deployment_id varchar not null,
    sha varchar not null,
    lead_seconds double not null
);

-- Of n values in order, the place of the one that is the lower bound of their median's 95 % interval, counted
-- from 1; as far from the other end is the upper one. 0 where n is too small. The chance that fewer than so
-- many lie below the median is binomial: W. J. Conover, Practical Nonparametric Statistics, section 3.2.
create table median_ranks as
with
chances as (
    select n, k, exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * ln(2)) as chance
    from (select unnest(range(1, 101)) as n)
    cross join (select unnest(range(0, 51)) as k)
    where k <= n
),
tails as (
    select n, sum(chance) over (partition by n order by k) as chance
    from chances
)
select n, count(*) filter (where chance <= 0.025) as lower_rank
from tails
group by n;

-- What a query is asked with.
create type label as struct(name varchar, text varchar);

create type question as struct(
    organization varchar,
    from_at timestamptz,
    to_at timestamptz,
    environments varchar[],
    production_environments varchar[],
    repository_keys varchar[],
    -- What a token may see; null where it is not limited.
    visible_keys varchar[],
    services varchar[],
    teams varchar[],
    labels label[],
    group_by varchar,
    -- What makes a deployment a failed one, and what makes one rework.
    signals varchar[],
    rework_signals varchar[]
);

create type time_window as struct(window_index integer, from_at timestamptz, to_at timestamptz);

create type local_day as struct(day date, week date, starts_at timestamptz, ends_at timestamptz);
