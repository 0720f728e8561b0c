-- The tables of the store. Records come from the record database and are current versions only;
-- facts are worked out from them, by the files of the same name in facts/.
-- The store is derived: it has no keys or constraints of its own beyond "not null".
-- Instants are TIMESTAMPTZ, in UTC. `first_revision` is the order in which things were first recorded.

create table deployments (
    id varchar not null,
    revision bigint not null,
    first_revision bigint not null,
    organization varchar not null,
    -- Of the repository that it belongs to, and of the one that it was recorded under, which may be an alias.
    repository_key varchar not null,
    recorded_key varchar not null,
    service_key varchar not null,
    service varchar not null,
    environment_key varchar not null,
    environment varchar not null,
    production boolean,
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
    team_key varchar,
    team varchar,
    deployment_node_id varchar,
    commits struct(sha varchar, committed_at timestamptz)[] not null,
    labels map(varchar, varchar) not null,
    -- Organization, repository and service in one number. It only says what to look at again: what belongs
    -- together is decided by the three themselves.
    deployable ubigint not null
);

create table incidents (
    id varchar not null,
    first_revision bigint not null,
    organization varchar not null,
    started_at timestamptz not null,
    resolved_at timestamptz,
    environment_key varchar,
    environment varchar,
    repository_key varchar,
    recorded_key varchar,
    service_key varchar not null,
    service varchar not null,
    deployment varchar,
    commit_id varchar,
    change_related boolean not null,
    labels map(varchar, varchar) not null
);

-- What views show beside that, pulled when one of them is asked for: no figure depends on it.
create table details_of_deployments (
    id varchar not null,
    revision bigint not null,
    repository_url varchar not null,
    title varchar,
    url varchar,
    changelog varchar,
    is_forced boolean,
    commits_count bigint,
    pull_request_number bigint,
    member_id varchar,
    triggered_by varchar,
    created_at timestamptz,
    recorded_at timestamptz,
    recorded_by varchar
);

create table details_of_incidents (
    id varchar not null,
    revision bigint not null,
    repository_url varchar,
    key varchar,
    title varchar,
    severity varchar,
    url varchar,
    created_at timestamptz,
    recorded_at timestamptz,
    recorded_by varchar
);

create table repositories (
    id varchar not null,
    organization varchar not null,
    repository_key varchar not null,
    recorded_key varchar not null,
    repository_host varchar not null,
    repository varchar not null,
    service_key varchar not null,
    service varchar not null,
    team_key varchar,
    team varchar,
    aliases varchar[] not null
);

-- The repository that each identity belongs to which an organization has said to be another name of it.
create view aliases as
select organization, unnest(aliases) as recorded_key, recorded_key as repository_key
from repositories
where service_key = '';

-- Of every repository and service that a record has named: the team that it belongs to, and how it is shown.
create table repository_teams (
    organization varchar not null,
    repository_key varchar not null,
    service_key varchar not null,
    team_key varchar,
    team varchar,
    repository varchar
);

-- Commits that came onto the default branch of a repository at once, in their order. `before` is what the first one
-- was built on, null where that is not known.
create table pushes (
    id varchar not null,
    revision bigint not null,
    organization varchar not null,
    repository_key varchar not null,
    recorded_key varchar not null,
    before varchar,
    after varchar not null,
    commits struct(sha varchar, committed_at timestamptz, is_merge boolean)[] not null
);

create table organization_settings (
    id varchar not null,
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
create table changed_deployables (deployable ubigint not null);
create table changed_incidents (incident_id varchar not null);
create table changed_shorts (organization varchar not null, repository_key varchar not null, short varchar not null);
-- What a record may be called by in others: its id, or its node id in its repository.
create table changed_names (
    organization varchar not null,
    repository_key varchar not null,
    service_key varchar not null,
    name varchar not null
);

-- The shortened commit ids that were ever told in a repository, and where: as a release, a change that is carried,
-- or what a deployment remediates, in its deployable; by an incident, in none.
create table short_commits (
    organization varchar not null,
    repository_key varchar not null,
    deployable ubigint,
    short varchar not null
);

create macro deployable_of(organization, repository_key, service_key) as
    hash(organization, repository_key, service_key);

create macro is_short(sha) as length(sha) not in (40, 64);

-- All commit ids that a deployment names. What it remediates is one where it is written like one.
create macro named_commits(commit_id, remediates, commits) as list_filter(
    list_concat(
        [
            commit_id,
            case when regexp_full_match(lower(remediates), '[0-9a-f]{7,64}') then lower(remediates) end
        ],
        list_transform(commits, lambda commit: commit['sha'])
    ),
    lambda sha: sha is not null
);

-- What was deployed; null where that is not known. `whole` is what a shortened commit id stands for.
create macro release_of(whole, commit_id, version) as case
    when commit_id is not null then coalesce(whole, commit_id)
    when lower(version) <> 'latest' then lower(version)
end;

create table commit_names (
    organization varchar not null,
    repository_key varchar not null,
    short varchar not null,
    whole varchar not null
);

-- Every deployment, whatever became of it, with its release.
create view released_deployments as
select
    deployments.*,
    release_of(commit_names.whole, deployments.commit_id, deployments.version) as release
from deployments
left join commit_names on
    commit_names.organization = deployments.organization
    and commit_names.repository_key = deployments.repository_key
    and commit_names.short = deployments.commit_id;

-- Whether a name is one of those given, in which a * stands for any characters. All are case-folded.
create macro matches_any_name(name, patterns) as list_bool_or(
    list_transform(
        patterns,
        lambda pattern: name like replace(
            replace(replace(replace(pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'
        ) escape '\'
    )
);

create table environments (
    organization varchar not null,
    environment_key varchar not null,
    is_said_production boolean not null
);

create table settings (
    organization varchar not null,
    production_environments varchar[] not null,
    attribution_gap_days integer not null
);

create table finished_deployments (
    id varchar not null,
    organization varchar not null,
    repository_key varchar not null,
    service_key varchar not null,
    environment_key varchar not null,
    deployable ubigint not null,
    first_revision bigint not null,
    deployment_node_id varchar,
    branch varchar,
    team_key varchar,
    labels map(varchar, varchar) not null,
    remediates varchar,
    is_hotfix boolean not null,
    is_fix boolean not null,
    carries_commits boolean not null,
    tells_commits boolean not null,
    tells_head_alone boolean not null,
    derives_commits boolean not null,
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

-- One row an incident that a change may have caused. Where no deployment is known for it, `deployment_id` and
-- `method` are null, and `reason` says why.
create table incident_links (
    incident_id varchar not null,
    organization varchar not null,
    deployment_id varchar,
    method varchar,
    reason varchar,
    started_at timestamptz not null,
    resolved_at timestamptz,
    first_revision bigint not null
);

create table remediations (
    id varchar not null,
    organization varchar not null,
    deployable ubigint not null,
    finished_at timestamptz not null,
    signals varchar[] not null,
    culprit_id varchar,
    method varchar
);

create table derived_commits (
    organization varchar not null,
    deployable ubigint not null,
    deployment_id varchar not null,
    sha varchar not null,
    committed_at timestamptz not null
);

create table carried_commits (
    organization varchar not null,
    deployable ubigint not null,
    deployment_id varchar not null,
    finished_at timestamptz not null,
    sha varchar not null,
    is_derived boolean not null,
    is_first boolean not null,
    lead_seconds double not null
);

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
    -- Of the groups of an answer by environments, those of production.
    production_groups varchar[],
    -- What makes a deployment a failed one, and what makes one rework.
    signals varchar[],
    rework_signals varchar[]
);

create type time_window as struct(window_index integer, from_at timestamptz, to_at timestamptz);

-- Days of a time zone, one after the other: the first, and the instants at which they begin, with the last one's end.
create type local_days as struct(first_day date, midnights timestamptz[]);
