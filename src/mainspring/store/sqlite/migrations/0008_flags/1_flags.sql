-- Flags: values that a person changes while the code runs.
create table flags (
    name       text primary key,
    kind       text not null,                       -- domain.flags.flag.FlagKind
    on_value   text not null,                       -- JSON
    off_value  text,                                -- JSON; null = the default of the code
    rules      text not null,                       -- JSON: domain.flags.flag.FlagRules
    owner      text,
    about      text,
    expires_at integer,
    killed_at  integer,                             -- all keys are off since then
    created_at integer not null,
    changed_at integer not null,
    revision   integer not null                     -- number of the last change of any flag when this one changed
) strict, without rowid;

-- The answers that runs got: the first one for a key counts until the run ends.
create table flag_answers (
    run         text not null,
    generation  integer not null,
    flag        text not null,
    key_hash    text not null,                      -- the first 32 digits of SHA-256 of flag, NUL and key
    kind        text,                               -- of the flag; null = it did not exist
    side        text not null,                      -- domain.flags.flag.FlagSide
    reason      text not null,
    value       text,                               -- JSON; null = the default of the code
    answered_at integer not null,
    primary key (run, generation, flag, key_hash)
) strict, without rowid;
create index flag_answers_flag on flag_answers (flag, side);

-- Questions by hour: what each flag answered, and to which automation.
create table flag_uses (
    hour_at      integer not null,                  -- start of the hour of the commit
    session      integer not null,                  -- 0 = none
    flag         text not null,
    automation   text not null,                     -- '' = a program
    side         text not null,
    reason       text not null,
    number       integer not null,
    last_at      integer not null,
    last_command integer not null,                  -- number of the last command of the session: one that is sent again counts once
    primary key (hour_at, session, flag, automation, side, reason)
) strict, without rowid;
create index flag_uses_flag on flag_uses (flag, last_at);
