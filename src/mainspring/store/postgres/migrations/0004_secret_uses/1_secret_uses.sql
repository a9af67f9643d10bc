-- Uses of secrets, counted by hour: who had which version, for what. Never a value.
create table secret_uses (
    hour_at      bigint not null,                   -- start of the hour of the commit
    session      bigint not null,                   -- 0 = none
    secret       text collate "C" not null,
    version      text collate "C" not null,         -- '' = the provider has none
    provider     text collate "C" not null,
    automation   text collate "C" not null,         -- '' = a program, or a part of Mainspring; its name of that time
    step         text collate "C" not null,
    actor        text collate "C" not null,
    number       bigint not null,                   -- attempts that used it
    first_at     bigint not null,
    last_at      bigint not null,
    last_command bigint not null,                   -- number of the last command of the session: one that is sent again counts once
    primary key (hour_at, session, secret, version, provider, automation, step, actor)
);
create index secret_uses_secret on secret_uses (secret, last_at);
