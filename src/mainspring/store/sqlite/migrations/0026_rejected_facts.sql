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

-- A run that restarts (`run.restart`) and those that continue it are one chain, named by its first run. What one of them was given, all were.
alter table runs add column chain text;                 -- the first run; null = no run was continued as this one
alter table runs add column window_at integer;           -- since when events count for the chain: its first run's creation
create index runs_chain on runs (chain, seq) where chain is not null;
alter table facts_taken add column receiver text;       -- the run of the chain that got it; null = the one in `run`

-- Up to which number a chain has counted all events of one match that were published at or after `since_at`.
create table event_cursors (
    chain      text not null,
    match_hash text not null,
    since_at   integer not null,
    seq        integer not null,
    primary key (chain, match_hash)
) strict, without rowid;

-- Chains that began before there were chains.
with recursive members (run, chain, window_at, depth) as (
    select runs.id, runs.id, runs.created_at, 0 from runs
    where runs.trigger not like 'restart of r%' and exists (select 1 from runs as heir where heir.trigger = 'restart of ' || runs.id)
    union all
    select heir.id, members.chain, members.window_at, members.depth + 1
    from members join runs as heir on heir.trigger = 'restart of ' || members.run
)
update runs set chain = members.chain, window_at = members.window_at from members where members.run = runs.id and members.depth > 0;

-- Deaths of workers, by the runs that they had: which process, when it was heard of last, how its death was noticed, who continued the run.
create table worker_losses (
    run               text not null,
    claim             integer not null,                  -- the claim that ended by it
    session           integer not null,
    role              text not null,
    hostname          text not null,
    pid               integer not null,
    seen_at           integer not null,                  -- its last sign of life
    found_at          integer not null,
    noticed           text not null,                     -- domain.worker_loss.Noticed
    finder_role       text,
    finder_hostname   text,
    finder_pid        integer,
    resumed_claim     integer,
    resumed_session   integer,
    resumed_role      text,
    resumed_hostname  text,
    resumed_pid       integer,
    resumed_at        integer,
    primary key (run, claim)
) strict, without rowid;
alter table runs add column losses integer not null default 0;   -- how many rows of it are there
