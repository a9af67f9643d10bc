-- What starts runs: schedules, and triggers with their deliveries (docs/adr/0007-incoming-facts-are-deliveries.md). At the end the outbox.

-- Schedules, as the workers announced them.
create table schedules (
    name         text primary key,                  -- automation, or automation#n if it has several
    automation   text not null,
    key          text,                              -- equal as long as it is the same schedule, also with new dates of a calendar
    spec         blob not null,                     -- JSON: cron | every, tz
    spec_at      integer,                           -- when the dates in `spec` last changed; null = never
    input        blob,                              -- the sealed input of its runs: with it a scheduler needs no code
    low_water_at integer not null,                  -- only a backfill makes slots before this
    last_slot_at integer,
    next_slot_at integer,
    retired_at   integer
) strict, without rowid;
create index schedules_due on schedules (next_slot_at) where retired_at is null and next_slot_at is not null;

-- The due times of schedules and the result of each. Never pruned: the row prevents a second run for the same slot.
create table slots (
    schedule text not null,
    slot_at  integer not null,
    verdict  text not null,                         -- run | skipped | missed
    run      text,
    note     text,
    made_at  integer not null,
    primary key (schedule, slot_at)
) strict, without rowid;

-- When automations were paused. Never pruned: the notes of slots refer to it.
create table pauses (
    automation text not null,
    paused_at  integer not null,
    until_at   integer,                             -- when it ends by itself
    ended_at   integer,                             -- when a person ended it, or another pause began
    paused_by  text not null,
    reason     text,
    primary key (automation, paused_at)
) strict, without rowid;

-- Triggers, as the workers announced them.
create table triggers (
    name         text primary key,                  -- AUTOMATION/SOURCE, with #2 for the second
    automation   text not null,
    kind         text not null,                     -- webhook | queue | files | event | run | runs
    definition   blob not null,                     -- domain.triggers.trigger.Trigger as JSON
    path         text,                              -- of a webhook; null if another automation has the same path
    problem      text,                              -- why it receives nothing
    announced_at integer not null,
    ended_at     integer                            -- when it was no longer declared, or retired
) strict, without rowid;
create index triggers_path on triggers (path) where path is not null and ended_at is null;
create index triggers_of on triggers (automation);

-- The events and ends of runs that triggers subscribe to. A process that publishes an event or ends a run reads them.
create table topics (
    kind      text not null,                        -- event | run
    name      text not null,                        -- of the event, or of the automation
    trigger   text not null,
    condition text not null,                        -- JSON: values of an event, or states of an end
    primary key (kind, name, trigger)
) strict, without rowid;

-- Stored inputs of triggers.
create table deliveries (
    seq         integer primary key autoincrement,
    id          text not null unique,
    trigger     text not null,
    key         text not null,                      -- a second delivery of the same trigger, key and variant is a duplicate
    variant     text not null default '',           -- '' = it owns its key; else the hash of its body: no filter accepted it
    state       text not null,                      -- states.DeliveryState
    note        text,                               -- the reason of its state, to show to people
    filtered    integer not null default 0,         -- 1 while a worker has to run the filter
    filter_sessions text,                           -- session ids, with commas, that began to run its filter: see triggers/filter_runner.py
    name        text not null default '',
    body_hash   text,
    body        blob,                               -- as received, sealed
    data        blob,                               -- JSON of the input of a run, sealed; null = the body
    headers     blob,                               -- JSON, sealed
    source      text,                               -- the event, or the run whose end it is
    by_key      text not null default '',           -- the key by which flow control counts it
    verified    text,                               -- the result of its verifier
    run         text,
    due_at      integer,
    replay_of   text,                               -- the delivery that it repeats
    redelivered integer not null default 0,
    received_at integer not null,
    changed_at  integer not null
) strict;
create unique index deliveries_key on deliveries (trigger, key, variant);
create index deliveries_received on deliveries (filtered, trigger, seq) where state = 'received';
create index deliveries_due      on deliveries (due_at) where state = 'held' and due_at is not null;
create index deliveries_held     on deliveries (trigger, by_key, seq) where state = 'held';
-- Rejected deliveries are trimmed with each further one; failed ones are few, and are searched among many.
create index deliveries_refused  on deliveries (trigger, seq) where state = 'refused';
create index deliveries_failed   on deliveries (trigger, seq) where state = 'failed';
create index deliveries_source   on deliveries (source) where state in ('held', 'received');
create index deliveries_run      on deliveries (run) where run is not null;
create index deliveries_old      on deliveries (changed_at) where state not in ('held', 'received');
-- A bulk replay skips deliveries that were replayed already: the replay stands for its original.
create index deliveries_replayed on deliveries (replay_of) where replay_of is not null;
create index deliveries_short    on deliveries (substr(id, 23));

-- State of flow control, for each key of a trigger: domain.triggers.flow_control.FlowControlState.
create table flow_control (
    trigger    text not null,
    by_key     text not null,
    counted_at integer,
    started_at integer,
    starts     text not null default '[]',
    since_at   integer,
    keep_until integer not null,
    primary key (trigger, by_key)
) strict, without rowid;

-- Starts that wait for the runs of several automations.
create table gatherings (
    trigger     text not null,
    per         text not null,                      -- the slot (ms) or the run key that the runs have in common
    expected    integer not null,                   -- number of automations
    here        integer not null default 0,         -- how many of them have ended in an awaited state
    deadline_at integer not null,
    run         text,                               -- the run that was started
    changed_at  integer not null,
    primary key (trigger, per)
) strict, without rowid;
create index gatherings_open on gatherings (trigger, deadline_at) where run is null;
create index gatherings_complete on gatherings (deadline_at) where run is null and here >= expected;

-- The ended runs of such a start.
create table joined_runs (
    trigger    text not null,
    per        text not null,
    automation text not null,
    run        text not null,
    state      text not null,
    counts     integer not null,                    -- 1 = it ended in an awaited state
    delivery   text not null,
    at         integer not null,
    primary key (trigger, per, automation)
) strict, without rowid;
create index joined_runs_run on joined_runs (run);

-- The consumers of brokers and folders, and since when each can or cannot read.
create table consumers (
    trigger      text not null,
    session      integer not null,
    connected_at integer,
    unreachable_at integer,
    reason       text,
    primary key (trigger, session)
) strict, without rowid;

-- Messages that steps sent and no broker has acknowledged, written in the commit of the step's outcome. A sent message is deleted.
create table outbox (
    seq       integer primary key autoincrement,    -- the order within a queue
    id        text not null unique,                 -- from run, step and generation: the same each time it is sent
    queue     text not null,
    state     text not null,                        -- domain.states.MessageState
    key       text,
    body      blob not null,                        -- JSON, sealed
    is_raw    integer not null,                     -- 1 = the body is bytes, written as JSON writes them
    headers   blob,                                 -- JSON object of texts, sealed
    run       text not null,
    ident     text not null,                        -- of the step
    made_at   integer not null,
    fault     text                                  -- why the broker rejected it
) strict;
create index outbox_unsent on outbox (queue, seq) where state = 'unsent';
create index outbox_refused on outbox (seq) where state = 'refused';
create index outbox_of_run on outbox (run);

-- Queues of the outbox that are leased by a Sender, or could not be sent to. All others have no row.
create table outbox_leases (
    queue     text primary key,
    lease     text,                                 -- id of the lease; null = free
    session   integer,                              -- that has the lease
    until_at  integer not null,                     -- when the lease expires
    due_at    integer not null,                     -- not tried before then
    failures  integer not null,                     -- failed tries in a row
    since_at  integer,                              -- since when
    fault     text                                  -- and why
) strict, without rowid;
