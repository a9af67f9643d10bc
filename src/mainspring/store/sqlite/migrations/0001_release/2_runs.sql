-- Runs: what they wait in, what they saved, what they hold, what is counted of them.

-- Limits and pauses of the queues that runs wait in.
create table queues (
    name           text primary key,
    concurrency    integer,                         -- runs at once; null = no limit
    rate_count     integer,                         -- starts in rate_per_ms; null = no limit
    rate_per_ms    integer,
    rate_starts    text not null default '[]',      -- domain.time.rate_window: the starts within the last rate_per_ms
    max_backlog    integer,
    backlog        integer not null default 0,      -- runs that are queued and were never claimed
    paused_at      integer,
    paused_by      text,
    pause_reason   text
) strict, without rowid;

-- One row for each run.
create table runs (
    seq           integer primary key autoincrement, -- commit order
    id            text not null unique,
    automation    text not null,
    kind          text not null,
    version       integer not null,
    title         text,
    state         text not null,                    -- states.RunState
    reason        text,                             -- states.FailureReason
    -- When it may be claimed, by whom, in which order.
    queue         text not null,
    priority      integer not null default 0,
    tag           text not null default '',         -- '' = any worker; never null, so that an index can order by it
    partition     text,
    ready         integer not null default 0,       -- 1 = it may be claimed now
    probation     integer not null default 0,       -- 1 = its worker crashed; it runs in a probation process
    fresh         integer not null default 1,       -- 1 until it is claimed for the first time
    blocked       text,                             -- 'partition' while another run holds its partition key
    place         integer not null,                 -- order of starts: the due time less 60 s for each step of priority
    due_at        integer,                          -- when it becomes ready by itself
    deadline_at   integer,
    created_at    integer not null,
    started_at    integer,
    finished_at   integer,
    changed_at    integer not null,
    session       integer,                          -- the session that claimed it; null = not claimed
    claim         integer not null default 0,       -- number of claims so far
    claimed_by_command text,
    crashes       integer not null default 0,       -- deaths of a worker that had this run alone
    losses        integer not null default 0,       -- number of its rows in worker_losses
    drains        integer not null default 0,       -- drains of its worker that no one requested; from 2 on it runs on probation
    -- Its progress.
    deploy        integer not null default 0,       -- the deployment that worked on it last
    generation    integer not null default 0,
    undoing       integer not null default 0,       -- 1 = it is loaded only to undo its steps
    rank          integer not null default 0,       -- the last rank in its journal when it was last released
    steps         integer not null default 0,       -- number of saved outcomes, for lists
    healthy       text not null default 'item',     -- domain.incidents.incident_members.HealthRule: what success settles its failure
    item          text,                             -- what it is about; null = itself, '' = its automation as a whole
    hash_seed     text,                             -- of the process in which it began, see sessions
    clock_steps   text,                             -- domain.time.clock_step.RunClockSteps: the clock steps since it began
    output_size   integer,                          -- bytes that it produced, printed or returned; null = not measured
    codec         text not null,
    input         blob not null,                    -- sealed
    result        blob,                             -- sealed
    failure       blob,                             -- domain.failures.failure.Failure as JSON
    failed_ident  text,                             -- the request whose outcome ended the run
    waiting_for   blob,                             -- JSON list of what a suspended run waits for, to show to people
    detail        blob,                             -- JSON: what needs attention (difference of inputs, question of doubt), hints
    published     blob,                             -- value of run.publish_state
    progress      blob,                             -- JSON [done, total]
    tags          blob,                             -- JSON object
    -- What started it.
    trigger       text not null,                    -- cli:user@host, schedule, child, api, exec
    run_key       text,
    schedule      text,
    slot_at       integer,
    parent        text,
    parent_ident  text,                             -- the request of its parent
    parent_request_number integer,                  -- the place of that request in the order of its parent's requests
    close_policy  text,
    superseded    integer,                          -- the generation of its parent that no longer counts the request
    chain         text,                             -- first run of a chain of restarts; null = no run continued as this one
    window_at     integer                           -- since when events count for the chain: when its first run was created
) strict;
create index runs_ready      on runs (probation, queue, automation, version, tag, fresh, place) where ready = 1;
create index runs_due        on runs (due_at) where ready = 0 and due_at is not null and blocked is null;
create index runs_due_partition on runs (queue, partition, due_at)
    where ready = 0 and due_at is not null and blocked is null and partition is not null;
create index runs_late       on runs (deadline_at) where blocked is not null and deadline_at is not null;
create index runs_running    on runs (queue) where state = 'running';
create index runs_owned      on runs (session) where session is not null;
create index runs_unfinished on runs (automation, seq) where finished_at is null;
create index runs_automation on runs (automation, seq);
create index runs_state      on runs (state, seq) where state not in ('running', 'succeeded');
create index runs_parent     on runs (parent, parent_ident) where parent is not null;
create index runs_partition  on runs (queue, partition, place, seq) where blocked = 'partition';
create index runs_finished   on runs (state, finished_at) where finished_at is not null;
-- Each evaluation of monitors reads the slots whose run has not started.
create index runs_unbegun    on runs (schedule, slot_at) where schedule is not null and started_at is null and finished_at is null;
-- Each supervisor reads the runs on probation five times a second: few, among perhaps a million that wait.
create index runs_probation  on runs (seq) where probation = 1;
create index runs_chain      on runs (chain, seq) where chain is not null;
-- Ids are shown and accepted by their last characters: before them are 2 of the kind, 10 of the time and 10 at random.
create index runs_short      on runs (substr(id, 23));

-- Saved outcomes of runs. Only the process that claimed a run adds rows.
create table journal (
    run        text not null,
    rank       integer not null,
    ident      text not null,
    name       text not null,
    kind       text not null,                       -- domain.runs.journal.OutcomeKind
    state      text not null,                       -- states.OutcomeState
    request_number integer not null,                -- the place of its request in the order of the body's requests
    requested_after integer not null default 0,     -- the last rank that the body had received when it made the request
    attempt    integer not null,
    generation integer not null,
    superseded integer,                             -- the generation that no longer counts it
    claim      integer not null,
    input      blob,
    output     blob,
    failure    blob,
    undo       text,                                -- module:qualname of its undo function
    started_at integer not null,
    at         integer not null,
    duration_us integer not null,
    primary key (run, rank)
) strict, without rowid;
-- The few runs in which a step succeeded only at a later attempt.
create index journal_healed on journal (run) where state = 'succeeded' and attempt > 1;

-- Attempts that the journal does not show: started, failed before a retry, lost, in doubt. A first attempt that succeeds has no row.
create table attempts (
    run        text not null,
    ident      text not null,
    generation integer not null,
    attempt    integer not null,
    name       text not null,
    state      text not null,                       -- states.AttemptState
    request_number integer not null,                -- as in journal
    claim      integer not null,
    failure    blob,
    undo       text,
    input      blob,
    started_at integer not null,
    ended_at   integer,
    next_at    integer,                             -- when the next attempt is due; null = there is none
    superseded integer,                             -- the generation that no longer counts it
    primary key (run, ident, generation, attempt)
) strict, without rowid;

-- The last checkpoint and progress of a step that runs.
create table checkpoints (
    run    text not null,
    ident  text not null,
    claim  integer not null,
    value  blob,
    done   integer,
    total  integer,
    at     integer not null,
    primary key (run, ident)
) strict, without rowid;

-- Attempts without a sign of life for too long. A row is deleted with the next sign, or when the attempt or its session ends.
create table stalled_attempts (
    run      text not null,
    ident    text not null,                         -- of the step
    claim    integer not null,                      -- the row counts for this claim only
    name     text not null,
    attempt  integer not null,
    since_at integer not null,                      -- its last sign of life, or its start
    stack    blob not null,                         -- JSON: its stack as lines without secrets, outermost first
    session  integer not null,
    primary key (run, ident)
) strict;

-- A person's decision on a saved step that the code of its run no longer requests.
create table step_renames (
    run      text not null,
    old_name text not null,
    new_name text,                                  -- null = the step is gone
    at       integer not null,
    primary key (run, old_name)
) strict, without rowid;

-- Claims that ended because the worker died, or drained without a request.
create table worker_losses (
    run               text not null,
    claim             integer not null,
    session           integer not null,
    role              text not null,
    hostname          text not null,
    pid               integer not null,
    seen_at           integer not null,             -- its last sign of life
    found_at          integer not null,
    noticed           text not null,                -- domain.processes.worker_loss.LossDetection
    ending            text,                         -- how its process ended ("exit 0", "SIGSEGV"); null = not known
    finder_role       text,                         -- the process that found it
    finder_hostname   text,
    finder_pid        integer,
    resumed_claim     integer,                      -- the claim that continued the run
    resumed_session   integer,
    resumed_role      text,
    resumed_hostname  text,
    resumed_pid       integer,
    resumed_at        integer,
    primary key (run, claim)
) strict, without rowid;

-- Run keys, so that a start is not repeated. A key outlives its run.
create table run_keys (
    automation text not null,
    key        text not null,
    run        text not null,
    input_hash text not null,
    state      text not null,                       -- of the run
    expires_at integer,
    primary key (automation, key)
) strict, without rowid;
create index run_keys_expiry on run_keys (expires_at) where expires_at is not null;

-- The holders of partition keys.
create table partition_holds (
    queue     text not null,
    partition text not null,
    run       text not null,
    held_at   integer not null,
    primary key (queue, partition)
) strict, without rowid;
create index partition_holds_run on partition_holds (run);

-- Locks that are held now.
create table locks (
    name     text primary key,
    owner    text not null,                         -- id of a run, or name of an exec run
    session  integer,
    token    integer not null,                      -- fencing token
    acquired_at integer not null,
    note     text
) strict, without rowid;

-- The last fencing token of each lock, also of free ones.
create table lock_tokens (
    name  text primary key,
    token integer not null
) strict, without rowid;

-- Log lines of runs, in compressed parts of one attempt each.
create table logs (
    run       text not null,
    seq       integer not null,                     -- number of its first line among all lines of the run, from 1; a gap = dropped lines
    ident     text not null,                        -- of the step; '' = the body
    attempt   integer not null,
    first_at  integer not null,
    last_at   integer not null,
    lines     integer not null,
    size      integer not null,                     -- bytes of its lines before compression
    upto      integer not null,                     -- the same of all parts of the run up to this one, with dropped ones
    body      blob not null,                        -- domain.runs.log_chunk, sealed
    primary key (run, seq)
) strict;
create index logs_by_age on logs (last_at);

-- Figures for the pages, written with each commit. Old minutes are added up to hours, and at last to minute 0.
create table rollups (
    session    integer not null,                    -- 0 once rows were added up
    automation text not null,
    minute_at  integer not null,
    started    integer not null default 0,
    succeeded  integer not null default 0,
    failed     integer not null default 0,
    cancelled  integer not null default 0,
    attention  integer not null default 0,
    steps      integer not null default 0,
    step_errors integer not null default 0,
    duration_ms integer not null default 0,
    max_duration_ms integer not null default 0,
    primary key (automation, minute_at, session)
) strict, without rowid;
create index rollups_minute on rollups (minute_at);

-- The same for durations (by powers of 2 ms) and failure reasons.
create table rollup_details (
    session    integer not null,
    automation text not null,
    minute_at  integer not null,
    metric     text not null,                       -- 'ms<=2^k' | 'reason:...'
    n          integer not null,
    primary key (automation, minute_at, metric, session)
) strict, without rowid;
create index rollup_details_minute on rollup_details (minute_at);
