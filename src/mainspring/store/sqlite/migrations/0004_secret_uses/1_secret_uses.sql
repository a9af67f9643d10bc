-- Uses of secrets, counted by hour: who had which version, for what. Never a value.
create table secret_uses (
    hour_at      integer not null,                  -- start of the hour of the commit
    session      integer not null,                  -- 0 = none
    secret       text not null,
    version      text not null,                     -- '' = the provider has none
    provider     text not null,
    automation   text not null,                     -- '' = a program, or a part of Mainspring; its name of that time
    step         text not null,
    actor        text not null,
    number       integer not null,                  -- attempts that used it
    first_at     integer not null,
    last_at      integer not null,
    last_command integer not null,                  -- number of the last command of the session: one that is sent again counts once
    primary key (hour_at, session, secret, version, provider, automation, step, actor)
) strict, without rowid;
create index secret_uses_secret on secret_uses (secret, last_at);
