-- Mainspring itself: its processes, the automations that they loaded, the audit log.
-- In all tables: instants are integer milliseconds UTC and end in _at; 0/1 columns are booleans; `sealed` = see domain/values/sealing.py.

-- Facts about the store as a whole, by name.
create table meta (
    key   text primary key,
    value text not null
) strict, without rowid;
-- The number of commits counts within an epoch. A higher epoch makes all older commit marks void.
insert into meta (key, value) values ('epoch', '1');

-- The number of commits of each writer. A mark outside the store with a higher number shows that the store went back in time.
create table commits (
    writer text primary key,                        -- '' = all processes that write to a file; on a server the id of one process
    number integer not null,
    at     integer not null                         -- when the newest commit was made
) strict, without rowid;
insert into commits (writer, number, at) values ('', 0, 0);

-- Times when the clock was set. Durations that were pending are moved with it, a batch of runs at a time.
-- See docs/adr/0021-durations-survive-a-clock-that-is-set.md.
create table clock_steps (
    seq        integer primary key autoincrement,
    at         integer not null,                    -- what the clock showed after it was set
    by_ms      integer not null,                    -- how far it was set forward; negative = back
    lived      integer not null,                    -- 1 = a process was running then; 0 = found afterwards
    since_at   integer not null,                    -- what was written before is not moved
    until_at   integer not null,                    -- what was written after is not moved
    stage      integer not null default 0,          -- the state of the runs that are moved next
    reached    integer not null default 0,          -- the last run that was moved in this stage
    last       integer not null,                    -- the newest run at that moment
    last_event integer not null,                    -- the newest event at that moment
    moved      integer not null default 0,          -- number of runs whose durations were moved
    ended_at   integer                              -- null = not all are moved yet
) strict;
create index clock_steps_open on clock_steps (seq) where ended_at is null;

-- A session is the life of one process. `posts` shows which process is missing, `capacity` is summed over machines.
create table sessions (
    id          integer primary key autoincrement,  -- never given twice: a process that was declared dead cannot pass for another
    uuid        text not null unique,
    role        text not null,                      -- worker | probation | exec | cli | supervisor
    state       text not null,                      -- states.SessionState
    host        text not null,                      -- boot id + pid namespace
    hostname    text not null,
    pid         integer not null,
    pid_started text not null,                      -- start time of the process, so that a reused pid is not taken for it
    lock_path   text not null,                      -- the file that it locks while it is alive
    deploy      integer not null default 0,         -- deployments.number
    tags        text not null default '[]',         -- JSON list: the tags of its workers
    queues      text,                               -- JSON list: the queues that its workers claim from; null = all, or not reported yet
    posts       text not null default '[]',         -- JSON list: the roles of the processes that a supervisor keeps, one for each process
    capacity    integer,                            -- how many runs a worker takes at once; null = it takes none
    opened_at   integer not null,
    beat_at     integer not null,                   -- its last heartbeat
    ended_at    integer,
    freed       integer,                            -- number of runs that were released when it was declared dead
    blocked     text,                               -- since when its event loop is blocked, and by which code; null = it is not
    memory      integer,                            -- bytes in use; null = not reported yet
    processor   integer,                            -- thousandths of one core since the heartbeat before; null = not reported yet
    hash_seed   text,                               -- fingerprint of its PYTHONHASHSEED, which decides the order of sets
    child_queue text,                               -- JSON (domain.processes.child_queue): attempts that wait for a child process; null = none
    findings    text                                -- JSON: its findings about itself, such as a missing secret; null = none
) strict;
create index sessions_alive on sessions (state) where state in ('alive', 'draining');

-- The automations that a session loaded, and so may claim runs of.
create table session_automations (
    session    integer not null,
    automation text not null,
    version    integer not null,
    primary key (session, automation)
) strict, without rowid;
create index session_automations_by_name on session_automations (automation);

-- Process groups that a session started. They are killed before another process takes over its runs.
create table process_groups (
    session integer not null,
    pgid    integer not null,
    run     text,
    ident   text,
    started text not null,                          -- start time of the group's first process, as sessions.pid_started
    primary key (session, pgid)
) strict, without rowid;

-- Everything that has a name and can be run.
create table automations (
    name         text primary key,
    kind         text not null,
    version      integer not null,
    definition   blob not null,                     -- domain.definitions.definition.Definition as JSON
    fingerprint  text not null,
    deploy       integer not null,                  -- deployments.number
    paused_at    integer,
    paused_until integer,
    paused_by    text,
    pause_reason text,
    retired_at   integer,
    problem      text,                              -- why its module does not load
    announced_at integer not null
) strict, without rowid;

-- Each set of automations that a process loaded.
create table deployments (
    number       integer primary key,
    fingerprint  text not null unique,              -- over all automations of the process
    announced_at integer not null
) strict;

-- Every operation of a person or program. Each row carries the hash of the row before it; rows are never changed.
create table audit_log (
    seq       integer primary key,
    at        integer not null,
    command   text not null unique,                 -- the command id: a command that is sent again is not recorded twice
    actor     text not null,
    verb      text not null,
    subject   text not null,
    reason    text,
    detail    blob,
    result    blob not null,
    prev_hash text not null,
    hash      text not null
) strict;
-- Filters of the audit log.
create index audit_log_actor on audit_log (actor, seq);
create index audit_log_verb on audit_log (verb, seq);
create index audit_log_subject on audit_log (subject, seq);
create trigger audit_log_is_append_only before update on audit_log
begin select raise(abort, 'the audit log is append-only'); end;
create trigger audit_log_forbids_deletion before delete on audit_log
begin select raise(abort, 'the audit log is append-only'); end;
