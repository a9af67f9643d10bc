-- What runs wait for and receive: signals, events, answers, ends of children.

-- Facts that a run has not consumed yet. Consuming one deletes the row and adds one to the journal.
create table inbox (
    seq     integer primary key autoincrement,
    run     text not null,
    kind    text not null,                          -- domain.runs.journal.FactKind
    name    text not null,
    ident   text,
    payload blob,
    failure blob,
    source  text,                                   -- where it comes from: id of an event, command or child
    at      integer not null
) strict;
create index inbox_run on inbox (run, seq);

-- Signals and events that the code of a run could not read. They are kept until a person decides, or the run is pruned.
create table rejected_facts (
    seq         integer primary key autoincrement,
    run         text not null,
    kind        text not null,                      -- domain.runs.journal.FactKind: signal | event
    name        text not null,
    ident       text,
    payload     blob,
    source      text,
    at          integer not null,                   -- when it was sent
    failure     blob not null,                      -- why it could not be read
    rejected_at integer not null
) strict;
create index rejected_facts_run on rejected_facts (run, seq);

-- What a run was given once, so that it is never given twice: neither to it nor to another run of its chain.
create table consumed_facts (
    run      text not null,
    kind     text not null,
    source   text not null,
    receiver text,                                  -- the run of its chain that received it; null = the one in `run`
    primary key (run, kind, source)
) strict, without rowid;
-- Finds the runs that got an event.
create index consumed_facts_event on consumed_facts (source) where kind = 'event';

-- What runs wait for now.
create table waits (
    run        text not null,
    ident      text not null,
    request_number integer not null default 0,      -- the place of its request in the order of the body's requests
    kind       text not null,                       -- event | run | ask
    name       text not null,
    shape      text,                                -- JSON list: the paths that `where` compares
    match_hash text,                                -- hash of name, shape and values; see event_matches
    since_at   integer,
    until_at   integer,
    question   blob,                                -- JSON: text, choices, otherwise, who
    filled     integer not null default 0,          -- 1 = a fact for it is in the inbox
    opened_at  integer not null,
    schema     text,                                -- JSON schema of what the code of the run can read
    session    integer,                             -- the session of that code
    primary key (run, ident)
) strict, without rowid;
create index waits_match on waits (match_hash) where kind = 'event' and filled = 0;
create index waits_run   on waits (name) where kind = 'run' and filled = 0;
create index waits_ask   on waits (opened_at) where kind = 'ask' and filled = 0;

-- Published events.
create table events (
    seq        integer primary key autoincrement,
    id         text not null unique,
    name       text not null,
    key        text,                                -- a second event of the same name and key is not stored
    data       blob not null,
    at         integer not null,
    keep_until integer not null,
    woken      integer not null default 0           -- number of runs that received it when it was published
) strict;
create unique index events_key on events (name, key) where key is not null;
create index events_name  on events (name, seq);
create index events_keep  on events (keep_until);
create index events_short on events (substr(id, 23));

-- Combinations of paths that runs compare in events of a name.
create table event_shapes (
    name  text not null,
    shape text not null,
    primary key (name, shape)
) strict, without rowid;

-- The hashes by which waits find an event: one for each shape.
create table event_matches (
    match_hash text not null,
    event      integer not null,                    -- events.seq
    primary key (match_hash, event)
) strict, without rowid;
create index event_matches_event on event_matches (event);

-- Up to which event a chain of restarted runs has received all events of one hash that were published at or after `since_at`.
create table event_cursors (
    chain      text not null,
    match_hash text not null,
    since_at   integer not null,
    seq        integer not null,
    primary key (chain, match_hash)
) strict, without rowid;
