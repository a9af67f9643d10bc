-- Who may come in at the pages and the API. Nothing here opens a door by itself: passwords are scrypt, everything else is a SHA-256.
create table people (
    name        text collate "C" primary key,
    password    text collate "C" not null,                    -- domain.password
    role        text collate "C" not null,                    -- domain.access.Role
    automations text collate "C",                             -- JSON list of patterns; null = all
    made_at     bigint not null,
    changed_at  bigint not null
);

create table web_sessions (                        -- who is signed in at the pages
    hash        text collate "C" primary key,                 -- SHA-256 (hex) of the cookie
    id          text collate "C" not null unique,             -- by what people name it
    name        text collate "C" not null,
    source      text collate "C" not null,                    -- domain.access.Source
    role        text collate "C",                             -- null = as the row of people says
    automations text collate "C",
    address     text collate "C" not null,
    browser     text collate "C" not null,
    made_at     bigint not null,
    seen_at     bigint not null,
    until_at    bigint not null
);
create index web_sessions_of on web_sessions (name);
create index web_sessions_until on web_sessions (until_at);

create table api_tokens (                          -- what programs come in by
    id          text collate "C" primary key,
    name        text collate "C" not null unique,
    hash        text collate "C" not null unique,             -- SHA-256 (hex) of the token
    role        text collate "C" not null,
    automations text collate "C",
    by          text collate "C" not null,
    made_at     bigint not null,
    until_at    bigint,                          -- null = until it is revoked
    used_at     bigint
);

create table start_links (                         -- each opens the pages once
    hash        text collate "C" primary key,                 -- SHA-256 (hex) of what is in the link
    until_at    bigint not null
);
