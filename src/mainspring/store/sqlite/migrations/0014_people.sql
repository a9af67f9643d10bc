-- Who may come in at the pages and the API. Nothing here opens a door by itself: passwords are scrypt, everything else is a SHA-256.
create table people (
    name        text primary key,
    password    text not null,                    -- domain.password
    role        text not null,                    -- domain.access.Role
    automations text,                             -- JSON list of patterns; null = all
    made_at     integer not null,
    changed_at  integer not null
) strict, without rowid;

create table web_sessions (                        -- who is signed in at the pages
    hash        text primary key,                 -- SHA-256 (hex) of the cookie
    id          text not null unique,             -- by what people name it
    name        text not null,
    source      text not null,                    -- domain.access.Source
    role        text,                             -- null = as the row of people says
    automations text,
    address     text not null,
    browser     text not null,
    made_at     integer not null,
    seen_at     integer not null,
    until_at    integer not null
) strict, without rowid;
create index web_sessions_of on web_sessions (name);
create index web_sessions_until on web_sessions (until_at);

create table api_tokens (                          -- what programs come in by
    id          text primary key,
    name        text not null unique,
    hash        text not null unique,             -- SHA-256 (hex) of the token
    role        text not null,
    automations text,
    by          text not null,
    made_at     integer not null,
    until_at    integer,                          -- null = until it is revoked
    used_at     integer
) strict, without rowid;

create table start_links (                         -- each opens the pages once
    hash        text primary key,                 -- SHA-256 (hex) of what is in the link
    until_at    integer not null
) strict, without rowid;
