-- A session may load several versions of one automation.
alter table session_automations rename to old_session_automations;
create table session_automations (
    session    integer not null,
    automation text not null,
    version    integer not null,
    primary key (session, automation, version)
) strict, without rowid;
insert into session_automations (session, automation, version) select session, automation, version from old_session_automations;
drop table old_session_automations;
create index session_automations_by_name on session_automations (automation);

-- Each version of each automation as it was announced last. The one in force is also in automations, schedules and triggers.
create table automation_versions (
    automation   text not null,
    version      integer not null,
    kind         text not null,
    definition   blob not null,                     -- domain.definitions.definition.Definition as JSON
    fingerprint  text not null,
    schedules    blob not null,                     -- JSON: store.commands.automations.ScheduleRow
    triggers     blob not null,                     -- JSON: store.commands.triggers.TriggerRow
    deploy       integer not null,                  -- deployments.number
    announced_at integer not null,
    primary key (automation, version)
) strict, without rowid;

-- Attempts to bring a new version into force.
create table rollouts (
    id          integer primary key,
    automation  text not null,
    old_version integer not null,
    new_version integer not null,
    fingerprint text not null,                      -- of the new version when the rollout started
    steps       text not null,                      -- JSON: shares in millionths
    step        integer not null,                   -- position of the step that counts
    hold_ms     integer not null,
    in_flight   text not null,                      -- domain.rollouts.rollout.InFlightPolicy
    age_ms      integer not null,                   -- a run counts by what it is this long after its start
    margin      integer not null,                   -- millionths: a difference of this size is worse
    state       text not null,
    started_at  integer not null,
    step_at     integer not null,                   -- start of this step
    ended_at    integer,
    reason      text,
    evidence    text                                -- JSON: the last comparison of both sides
) strict;
create index rollouts_automation on rollouts (automation, id);
create unique index rollouts_active on rollouts (automation) where state in ('running', 'paused');

-- The runs that a rollout assigned.
create table rollout_runs (
    run        text primary key,
    rollout    integer not null,
    step       integer not null,
    version    integer not null,
    key_hash   text not null,                       -- the first 32 digits of SHA-256 of automation, NUL and key
    outcome    text,                                -- domain.rollouts.run_outcome.RunOutcomeKind; null = it does not count yet
    duration_ms integer,                            -- null = it had not ended
    place      integer                              -- its place in the order in which the runs of its step count
) strict, without rowid;
create index rollout_runs_open on rollout_runs (rollout, run) where outcome is null;
create unique index rollout_runs_counted on rollout_runs (rollout, step, place) where place is not null;
create index rollout_runs_of_key on rollout_runs (rollout, step, key_hash) where place is not null;
