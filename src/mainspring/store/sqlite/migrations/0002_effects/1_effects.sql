-- Effects: what automations change outside of themselves, once for each key.

-- One row for each key: its last effect.
create table effects (
    key           text primary key,
    id            text not null,                    -- the idempotency key of the effect
    state         text not null,                    -- states.EffectState
    intent        integer not null,                 -- number of its begins, over all effects of the key
    repeats       integer not null default 0,       -- earlier intents of this effect, whose outcomes are unknown
    started_at    integer not null,
    settled_at    integer,                          -- when it was done, or its outcome became unknown
    within_ms     integer,                          -- the longest window of a call; null = once for all time
    recovery      text not null,                    -- domain.effects.effect.Recovery
    identity_hash text not null,
    identity      blob not null,                    -- sealed
    result        blob,                             -- sealed
    refused       text,                             -- why the result could not be saved
    note          text,                             -- why the outcome is unknown, or the reason of a person
    decided_by    text,
    -- Its holder.
    owner         text not null,
    call_id       text not null,
    automation    text,
    session       integer,
    run           text,
    ident         text,
    step_key      text,
    attempt       integer,
    -- Calls that found it done.
    skips         integer not null default 0,
    suppressed    integer not null default 0,       -- those with another identity
    skipped_at    integer,
    skipped_by    text                              -- call_id of the last one
) strict, without rowid;
create index effects_pending  on effects (session) where state = 'pending';
create index effects_in_doubt on effects (settled_at) where state = 'in_doubt';
create index effects_windows  on effects (settled_at) where within_ms is not null;
create index effects_changed  on effects (coalesce(settled_at, started_at), key);
create index effects_run      on effects (run, ident) where run is not null;

-- What became of each call by a step.
create table effect_calls (
    seq        integer primary key autoincrement,
    key        text not null,
    id         text not null,
    run        text not null,
    ident      text not null,
    attempt    integer not null,
    outcome    text not null,                       -- domain.effects.effect.CallOutcome
    at         integer not null,
    note       text
) strict;
create index effect_calls_run on effect_calls (run, seq);
create index effect_calls_key on effect_calls (key, seq);
