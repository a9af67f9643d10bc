-- A session may load several versions of one automation.
alter table session_automations drop constraint session_automations_pkey, add primary key (session, automation, version);

-- Each version of each automation as it was announced last. The one in force is also in automations, schedules and triggers.
create table automation_versions (
    automation   text collate "C" not null,
    version      bigint not null,
    kind         text collate "C" not null,
    definition   bytea not null,                        -- domain.definitions.definition.Definition as JSON
    fingerprint  text collate "C" not null,
    schedules    bytea not null,                        -- JSON: store.commands.automations.ScheduleRow
    triggers     bytea not null,                        -- JSON: store.commands.triggers.TriggerRow
    deploy       bigint not null,                       -- deployments.number
    announced_at bigint not null,
    primary key (automation, version)
);

-- Attempts to bring a new version into force.
create table rollouts (
    id          bigint primary key,
    automation  text collate "C" not null,
    old_version bigint not null,
    new_version bigint not null,
    fingerprint text collate "C" not null,              -- of the new version when the rollout started
    steps       text collate "C" not null,              -- JSON: shares in millionths
    step        bigint not null,                        -- position of the step that counts
    hold_ms     bigint not null,
    in_flight   text collate "C" not null,              -- domain.rollouts.rollout.InFlightPolicy
    age_ms      bigint not null,                        -- a run counts by what it is this long after its start
    margin      bigint not null,                        -- millionths: a difference of this size is worse
    state       text collate "C" not null,
    started_at  bigint not null,
    step_at     bigint not null,                        -- start of this step
    ended_at    bigint,
    reason      text collate "C",
    evidence    text collate "C"                        -- JSON: the last comparison of both sides
);
create index rollouts_automation on rollouts (automation, id);
create unique index rollouts_active on rollouts (automation) where state in ('running', 'paused');

-- The runs that a rollout assigned.
create table rollout_runs (
    run        text collate "C" primary key,
    rollout    bigint not null,
    step       bigint not null,
    version    bigint not null,
    key_hash   text collate "C" not null,               -- the first 32 digits of SHA-256 of automation, NUL and key
    outcome    text collate "C",                        -- domain.rollouts.run_outcome.RunOutcomeKind; null = it does not count yet
    duration_ms bigint,                                  -- null = it had not ended
    place      bigint                                   -- its place in the order in which the runs of its step count
);
create index rollout_runs_open on rollout_runs (rollout, run) where outcome is null;
create unique index rollout_runs_counted on rollout_runs (rollout, step, place) where place is not null;
create index rollout_runs_of_key on rollout_runs (rollout, step, key_hash) where place is not null;
