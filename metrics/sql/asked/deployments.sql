-- The deployments that a question is about, each with the verdicts on it.

-- Whether a finished deployment reached users: docs/metrics.md, section 4.
create or replace macro is_in_population(question, succeeded, has_incident) as (
    succeeded
    or has_incident
    or list_contains(question['signals'], 'status')
);

-- The finished deployments that a question is about, whatever its window and their environment.
create or replace macro deployments_of_all_times(question) as table
select * from finished_deployments
where organization = question['organization'] and is_asked(question, repository_key, service_key, team_key, labels);

-- Those of the window.
create or replace macro deployments_in_reach(question) as table
select * from deployments_of_all_times(question)
where is_within(question, finished_at);

-- The finished deployments that a question is about, each with the verdicts on it under the failure
-- signals that are asked for: docs/metrics.md, sections 2 to 4. Every metric counts these rows.
--
-- in_population: successful, or failed with an incident linked to it, or failed with `status` on.
-- is_failed: the culprit of a remediation that counts, or has an incident, or failed with `status` on.
-- failed_at, recovered_at, seconds_to_recover: section 3; the last two are null while it is open.
-- is_remediation: it repairs something by a signal that counts; is_unattributed: and nobody knows what.
-- Its signals are those that count in the rework rate; those that make failures may be others.
-- group_name: what it is grouped by.
create or replace macro asked_deployments(question) as table
with
asked as (
    select * from deployments_in_reach(question)
    where list_contains(question['environments'], environment_key)
),
counted_remediations as (
    select
        id,
        finished_at,
        culprit_id,
        list_filter(signals, lambda signal: list_contains(question['rework_signals'], signal)) as signals,
        list_filter(signals, lambda signal: list_contains(question['signals'], signal)) as failure_signals
    from remediations
    where
        organization = question['organization']
        -- No repair finishes before what it repairs.
        and finished_at >= question['from_at']
        and list_has_any(signals, question['rework_signals'])
),
remediation_verdicts as (
    select
        culprit_id as id,
        min(finished_at) as repaired_at,
        bool_or(list_contains(failure_signals, 'rollback')) as by_rollback,
        bool_or(list_contains(failure_signals, 'hotfix')) as by_hotfix,
        bool_or(list_contains(failure_signals, 'fix')) as by_fix
    from counted_remediations
    where culprit_id is not null and len(failure_signals) > 0
    group by culprit_id
),
judged as (
    select
        asked.*,
        is_in_population(question, asked.succeeded, incident_verdicts.id is not null) as in_population,
        incident_verdicts.id is not null as failed_by_incident,
        coalesce(remediation_verdicts.by_rollback, false) as failed_by_rollback,
        coalesce(remediation_verdicts.by_hotfix, false) as failed_by_hotfix,
        coalesce(remediation_verdicts.by_fix, false) as failed_by_fix,
        not asked.succeeded and list_contains(question['signals'], 'status') as failed_by_status,
        incident_verdicts.failed_at as impaired_at,
        incident_verdicts.recovered_at as resolved_at,
        incident_verdicts.open_us,
        remediation_verdicts.repaired_at,
        counted_remediations.id is not null as is_remediation,
        counted_remediations.culprit_id,
        counted_remediations.signals as remediation_signals,
        counted_remediations.failure_signals
    from asked
    left join incident_verdicts(question) as incident_verdicts using (id)
    left join remediation_verdicts using (id)
    left join counted_remediations using (id)
)
select
    id,
    repository_key,
    service_key,
    environment_key,
    branch,
    team_key,
    group_of(question, repository_key, service_key, team_key, environment_key, branch) as group_name,
    succeeded,
    started_at,
    finished_at,
    is_redeployment,
    carries_commits,
    tells_commits,
    tells_head_alone,
    coalesce(position = 1, false) as is_first_of_stream,
    labels['estimated'] is not null as is_estimated,
    in_population,
    in_population and (
        failed_by_incident or failed_by_rollback or failed_by_hotfix or failed_by_fix or failed_by_status
    ) as is_failed,
    in_population and failed_by_incident as failed_by_incident,
    in_population and failed_by_rollback as failed_by_rollback,
    in_population and failed_by_hotfix as failed_by_hotfix,
    in_population and failed_by_fix as failed_by_fix,
    failed_by_status,
    coalesce(impaired_at, finished_at) as failed_at,
    case
        when failed_by_incident then resolved_at
        when failed_by_status then next_success_at
        else repaired_at
    end as recovered_at,
    case when recovered_at is not null then coalesce(open_us, epoch_us(recovered_at - failed_at)) / 1e6 end
        as seconds_to_recover,
    is_remediation,
    remediates is not null as names_culprit,
    is_remediation and culprit_id is null and len(failure_signals) > 0 as is_unattributed,
    coalesce(list_contains(remediation_signals, 'rollback'), false) as repairs_by_rollback,
    coalesce(list_contains(remediation_signals, 'hotfix'), false) as repairs_by_hotfix,
    coalesce(list_contains(remediation_signals, 'fix'), false) as repairs_by_fix,
    not in_population as did_not_reach_production
from judged;
