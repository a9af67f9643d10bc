-- Instants are integer milliseconds UTC and end in _at; 0/1 columns are booleans; values are bytes made by the codec named beside them.

create table meta (
    key   text primary key,
    value text not null
) strict, without rowid;

create table sessions (
    id          integer primary key autoincrement,  -- never given twice: a zombie must not find itself alive
    uuid        text not null unique,
    role        text not null,                      -- worker | probation | exec | cli | supervisor
    state       text not null,                      -- states.SessionState
    host        text not null,                      -- boot id + pid namespace
    hostname    text not null,
    pid         integer not null,
    pid_started text not null,                      -- start mark of the process, so that a reused pid is not taken for it
    lock_path   text not null,
    deploy      integer not null default 0,
    tags        text not null default '[]',         -- JSON list: what its workers carry
    queues      text,                               -- JSON list: what its workers claim from; null = every queue, or not yet said
    opened_at   integer not null,
    beat_at     integer not null,
    ended_at    integer,
    freed       integer                             -- runs that its burial set free
) strict;
create index sessions_alive on sessions (state) where state in ('alive', 'draining');

create table session_automations (                  -- what a session announced, so may claim
    session    integer not null,
    automation text not null,
    version    integer not null,
    primary key (session, automation)
) strict, without rowid;
create index session_automations_by_name on session_automations (automation);

create table automations (
    name         text primary key,
    kind         text not null,
    version      integer not null,
    definition   blob not null,                     -- domain.definition.Definition as JSON
    fingerprint  text not null,
    deploy       integer not null,
    paused_at    integer,
    paused_until integer,
    paused_by    text,
    pause_reason text,
    retired_at   integer,
    problem      text,                              -- why its module failed to load, shown as a problem
    announced_at integer not null
) strict, without rowid;

create table deployments (
    number       integer primary key,
    fingerprint  text not null unique,              -- over all automations of one process
    announced_at integer not null
) strict;

create table queues (
    name           text primary key,
    concurrency    integer,
    rate_count     integer,
    rate_per_ms    integer,
    rate_next_us   integer not null default 0,      -- theoretical arrival time of the rate limit (GCRA), in microseconds
    max_backlog    integer,
    backlog        integer not null default 0,      -- runs that are queued and were never claimed
    paused_at      integer,
    paused_by      text,
    pause_reason   text
) strict, without rowid;

create table runs (
    seq           integer primary key autoincrement, -- commit order
    id            text not null unique,
    automation    text not null,
    kind          text not null,
    version       integer not null,
    title         text,
    state         text not null,                    -- states.RunState
    reason        text,                             -- states.FailureReason
    queue         text not null,
    priority      integer not null default 0,
    tag           text not null default '',         -- '' = any worker; never null, so that an index can order by it
    partition     text,
    ready         integer not null default 0,
    suspect       integer not null default 0,
    fresh         integer not null default 1,
    blocked       text,                             -- 'partition' while another run holds its key
    place         integer not null,
    due_at        integer,
    deadline_at   integer,
    created_at    integer not null,
    started_at    integer,
    finished_at   integer,
    changed_at    integer not null,
    session       integer,
    claim         integer not null default 0,
    claimed_by_command text,
    crashes       integer not null default 0,       -- deaths of a worker that held this run alone
    deploy        integer not null default 0,       -- number of the deployment that last touched it
    generation    integer not null default 0,
    undoing       integer not null default 0,       -- 1 when it is loaded only to take back what it did
    rank          integer not null default 0,       -- last rank in the journal when the run was last let go
    codec         text not null,
    input         blob not null,
    result        blob,
    failure       blob,                             -- domain.failure.Failure as JSON
    failed_ident  text,                             -- the request whose outcome ended the run
    waiting_for   blob,                             -- JSON list of what a suspended run waits for, for people
    detail        blob,                             -- JSON: what needs attention (drift diff, question of doubt), hints
    published     blob,                             -- value of run.publish_state
    progress      blob,                             -- JSON [done, total]
    tags          blob,                             -- JSON object
    run_key       text,
    parent        text,
    parent_ident  text,
    parent_asked  integer,                          -- the place of its request in the order of its parent's asking
    close_policy  text,
    superseded    integer,                          -- generation of its parent that counts its request no longer: it answers nobody
    schedule      text,
    slot_at       integer,
    trigger       text not null,                    -- what started it: cli:user@host, schedule, child, api, exec
    steps         integer not null default 0        -- saved outcomes, for lists
) strict;
create index runs_ready      on runs (suspect, queue, automation, version, tag, fresh, place) where ready = 1;
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

create table journal (
    run        text not null,
    rank       integer not null,
    ident      text not null,
    name       text not null,
    kind       text not null,                       -- domain.journal.OutcomeKind
    state      text not null,                       -- states.OutcomeState
    asked      integer not null,                    -- order in which the body asked for it
    asked_after integer not null default 0,         -- rank that had been handed over when it asked
    attempt    integer not null,
    generation integer not null,
    superseded integer,                             -- generation that no longer counts it
    claim      integer not null,
    input      blob,
    output     blob,
    failure    blob,
    undo       text,                                -- module:qualname of its undo
    started_at integer not null,
    at         integer not null,
    took_us    integer not null,
    primary key (run, rank)
) strict, without rowid;

create table attempts (
    run        text not null,
    ident      text not null,
    generation integer not null,
    attempt    integer not null,
    name       text not null,
    state      text not null,                       -- states.AttemptState
    asked      integer not null,
    claim      integer not null,
    failure    blob,
    undo       text,
    input      blob,
    started_at integer not null,
    ended_at   integer,
    next_at    integer,                             -- when the next attempt is due, if there is one
    superseded integer,                             -- generation that no longer counts it
    primary key (run, ident, generation, attempt)
) strict, without rowid;

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

create table process_groups (                       -- groups to kill before a takeover
    session integer not null,
    pgid    integer not null,
    run     text,
    ident   text,
    started text not null,
    primary key (session, pgid)
) strict, without rowid;

create table inbox (
    seq     integer primary key autoincrement,
    run     text not null,
    kind    text not null,                          -- domain.journal.FactKind
    name    text not null,
    ident   text,
    payload blob,
    failure blob,
    source  text,                                   -- where it comes from (event id, command id, child id)
    at      integer not null
) strict;
create index inbox_run on inbox (run, seq);

create table waits (
    run        text not null,
    ident      text not null,
    kind       text not null,                       -- event | ask
    name       text not null,
    shape      text,                                -- JSON list of the where paths
    match_hash text,
    since_at   integer,
    until_at   integer,
    question   blob,                                -- JSON: text, choices, otherwise, who
    filled     integer not null default 0,          -- 1 when a fact for it lies in the inbox
    opened_at  integer not null,
    asked      integer not null default 0,          -- the place of its request in the order of asking
    primary key (run, ident)
) strict, without rowid;
create index waits_match on waits (match_hash) where kind = 'event' and filled = 0;
create index waits_run   on waits (name) where kind = 'run' and filled = 0;
create index waits_ask   on waits (opened_at) where kind = 'ask' and filled = 0;

create table events (
    seq     integer primary key autoincrement,
    id      text not null unique,
    name    text not null,
    key     text,
    data    blob not null,
    at      integer not null,
    keep_until integer not null,
    woken   integer not null default 0              -- runs that got it when it was published
) strict;
create unique index events_key on events (name, key) where key is not null;
create index events_name on events (name, seq);
create index events_keep on events (keep_until);

create table event_shapes (
    name  text not null,
    shape text not null,
    primary key (name, shape)
) strict, without rowid;

create table event_matches (
    match_hash text not null,
    event      integer not null,
    primary key (match_hash, event)
) strict, without rowid;
create index event_matches_event on event_matches (event);

create table facts_taken (                          -- what a run was given once, so that it is never given twice
    run    text not null,
    kind   text not null,
    source text not null,
    primary key (run, kind, source)
) strict, without rowid;

create table run_keys (
    automation text not null,
    key        text not null,
    run        text not null,
    input_hash text not null,
    state      text not null,                       -- of the run, which the key outlives
    expires_at integer,
    primary key (automation, key)
) strict, without rowid;
create index run_keys_expiry on run_keys (expires_at) where expires_at is not null;

create table holds (
    queue     text not null,
    partition text not null,
    run       text not null,
    held_at   integer not null,
    primary key (queue, partition)
) strict, without rowid;
create index holds_run on holds (run);

create table locks (
    name     text primary key,
    owner    text not null,                         -- who: run id, or exec name
    session  integer,
    token    integer not null,
    taken_at integer not null,
    note     text
) strict, without rowid;

create table lock_tokens (
    name  text primary key,
    token integer not null
) strict, without rowid;

create table schedules (
    name       text primary key,                    -- automation, or automation#n where it has several
    automation text not null,
    spec       blob not null,                       -- JSON: cron | every, tz
    low_water_at integer not null,                  -- no slot below it is made without an explicit backfill
    last_slot_at integer,
    next_slot_at integer,
    retired_at integer
) strict, without rowid;
create index schedules_due on schedules (next_slot_at) where retired_at is null and next_slot_at is not null;

create table slots (
    schedule text not null,
    slot_at  integer not null,
    verdict  text not null,                         -- run | skipped | missed
    run      text,
    note     text,
    made_at  integer not null,
    primary key (schedule, slot_at)
) strict, without rowid;

create table rollups (
    session    integer not null,                    -- 0 once folded
    automation text not null,
    minute_at  integer not null,
    started    integer not null default 0,
    succeeded  integer not null default 0,
    failed     integer not null default 0,
    cancelled  integer not null default 0,
    attention  integer not null default 0,
    steps      integer not null default 0,
    step_errors integer not null default 0,
    took_ms    integer not null default 0,
    took_max_ms integer not null default 0,
    primary key (automation, minute_at, session)
) strict, without rowid;
create index rollups_minute on rollups (minute_at);

create table rollup_details (                       -- latency buckets (log2 of ms) and failure reasons
    session    integer not null,
    automation text not null,
    minute_at  integer not null,
    what       text not null,                       -- 'ms<=2^k' | 'reason:...'
    n          integer not null,
    primary key (automation, minute_at, what, session)
) strict, without rowid;
create index rollup_details_minute on rollup_details (minute_at);

create table audit_log (
    seq       integer primary key,
    at        integer not null,
    command   text not null unique,
    actor     text not null,
    verb      text not null,
    subject   text not null,
    reason    text,
    detail    blob,
    result    blob not null,
    prev_hash text not null,
    hash      text not null
) strict;
create trigger audit_log_is_append_only before update on audit_log
begin select raise(abort, 'the audit log is append-only'); end;
create trigger audit_log_keeps_rows before delete on audit_log
begin select raise(abort, 'the audit log is append-only'); end;
