-- Triggers, and the deliveries that arrive for them. See docs/adr/0007-what-arrives-is-a-delivery.md.

create table triggers (
    name         text primary key,                  -- AUTOMATION/SOURCE, with #2 for the second
    automation   text not null,
    kind         text not null,                     -- webhook | queue | files | event | run | runs
    definition   blob not null,                     -- domain.trigger.Trigger as JSON
    path         text,                              -- of a webhook, unless another automation's has it
    problem      text,                              -- why nothing arrives here
    announced_at integer not null,
    ended_at     integer                            -- no longer declared, or retired
) strict, without rowid;
create index triggers_path on triggers (path) where path is not null and ended_at is null;
create index triggers_of on triggers (automation);

create table topics (                               -- what is listened for inside, so that whoever publishes or ends a run knows
    kind      text not null,                        -- event | run
    name      text not null,                        -- of the event, or of the automation
    trigger   text not null,
    condition text not null,                        -- JSON: the values of an event, the states of an end
    primary key (kind, name, trigger)
) strict, without rowid;

create table deliveries (
    seq         integer primary key autoincrement,
    id          text not null unique,
    trigger     text not null,
    key         text not null,
    state       text not null,                      -- states.DeliveryState
    note        text,                               -- why, for people
    filtered    integer not null default 0,         -- 1 while a worker has to run the filter
    name        text not null default '',
    body_hash   text,
    body        blob,                               -- as it came, sealed
    data        blob,                               -- JSON of what a run is given, sealed; null = the body
    headers     blob,                               -- JSON, sealed
    source      text,                               -- the event, or the run whose end it is
    by_key      text not null default '',           -- by which its pace counts it
    verified    text,                               -- what its verifier said
    run         text,
    due_at      integer,
    replay_of   text,
    redelivered integer not null default 0,
    received_at integer not null,
    changed_at  integer not null
) strict;
create unique index deliveries_key on deliveries (trigger, key);
create index deliveries_received on deliveries (filtered, trigger, seq) where state = 'received';
create index deliveries_due   on deliveries (due_at) where state = 'held' and due_at is not null;
create index deliveries_held  on deliveries (trigger, by_key, seq) where state = 'held';
create index deliveries_state on deliveries (state, seq) where state not in ('started', 'received', 'held');
create index deliveries_source on deliveries (source) where state in ('held', 'received');
create index deliveries_run   on deliveries (run) where run is not null;
create index deliveries_old   on deliveries (changed_at) where state not in ('held', 'received');

create table paces (                                -- what is remembered of a key of a trigger: domain.pace.Mark
    trigger    text not null,
    by_key     text not null,
    counted_at integer,
    started_at integer,
    starts     text not null default '[]',
    since_at   integer,
    keep_until integer not null,
    primary key (trigger, by_key)
) strict, without rowid;

create table gatherings (                           -- runs of several automations that one start waits for
    trigger     text not null,
    per         text not null,                      -- the slot (ms) or the run key
    wanted      integer not null,
    here        integer not null default 0,         -- automations whose run ended as wanted
    deadline_at integer not null,
    run         text,                               -- what was started
    changed_at  integer not null,
    primary key (trigger, per)
) strict, without rowid;
create index gatherings_open on gatherings (trigger, deadline_at) where run is null;
create index gatherings_complete on gatherings (deadline_at) where run is null and here >= wanted;

create table gathered (
    trigger    text not null,
    per        text not null,
    automation text not null,
    run        text not null,
    state      text not null,
    counts     integer not null,
    delivery   text not null,
    at         integer not null,
    primary key (trigger, per, automation)
) strict, without rowid;
create index gathered_run on gathered (run);

create table desks (                                -- what fetches from a broker or a folder, and since when it can or cannot
    trigger      text not null,
    session      integer not null,
    connected_at integer,
    away_since   integer,
    why          text,
    primary key (trigger, session)
) strict, without rowid;
