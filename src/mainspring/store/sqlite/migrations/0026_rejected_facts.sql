-- Signals and events that came for a run and that its code could not read: kept until a person decides, or the run is pruned.
create table rejected_facts (
    seq         integer primary key autoincrement,
    run         text not null,
    kind        text not null,                      -- domain.journal.FactKind: signal | event
    name        text not null,
    ident       text,
    payload     blob,
    source      text,
    at          integer not null,                   -- when it was sent
    failure     blob not null,                      -- why it could not be read
    rejected_at integer not null
) strict;
create index rejected_facts_run on rejected_facts (run, seq);

-- The JSON schema that a waiting run's code stated for what it waits for, and the session whose code that was.
alter table waits add column schema text;
alter table waits add column session integer;
