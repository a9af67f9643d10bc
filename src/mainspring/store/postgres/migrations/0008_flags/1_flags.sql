-- Flags: values that a person changes while the code runs.
create table flags (
    name       text collate "C" primary key,
    kind       text collate "C" not null,               -- domain.flags.flag.FlagKind
    on_value   text collate "C" not null,               -- JSON
    off_value  text collate "C",                        -- JSON; null = the default of the code
    rules      text collate "C" not null,               -- JSON: domain.flags.flag.FlagRules
    owner      text collate "C",
    about      text collate "C",
    expires_at bigint,
    killed_at  bigint,                                  -- all keys are off since then
    created_at bigint not null,
    changed_at bigint not null,
    revision   bigint not null                          -- number of the last change of any flag when this one changed
);

-- The answers that runs got: the first one for a key counts until the run ends.
create table flag_answers (
    run         text collate "C" not null,
    generation  bigint not null,
    flag        text collate "C" not null,
    key_hash    text collate "C" not null,              -- the first 32 digits of SHA-256 of flag, NUL and key
    kind        text collate "C",                       -- of the flag; null = it did not exist
    side        text collate "C" not null,              -- domain.flags.flag.FlagSide
    reason      text collate "C" not null,
    value       text collate "C",                       -- JSON; null = the default of the code
    answered_at bigint not null,
    primary key (run, generation, flag, key_hash)
);
create index flag_answers_flag on flag_answers (flag, side);

-- Questions by hour: what each flag answered, and to which automation.
create table flag_uses (
    hour_at      bigint not null,                       -- start of the hour of the commit
    session      bigint not null,                       -- 0 = none
    flag         text collate "C" not null,
    automation   text collate "C" not null,             -- '' = a program
    side         text collate "C" not null,
    reason       text collate "C" not null,
    number       bigint not null,
    last_at      bigint not null,
    last_command bigint not null,                       -- number of the last command of the session: one that is sent again counts once
    primary key (hour_at, session, flag, automation, side, reason)
);
create index flag_uses_flag on flag_uses (flag, last_at);
