-- People and programs that use the pages and the API, and the bulk operations that they start.
-- Nothing here can be used to sign in: passwords are hashed by scrypt, everything else is a SHA-256 (hex).

-- The people who may sign in with a password.
create table people (
    name        text primary key,
    password    text not null,                      -- domain.access.passwords
    role        text not null,                      -- domain.access.permissions.Role
    automations text,                               -- JSON list of patterns; null = all
    made_at     integer not null,
    changed_at  integer not null
) strict, without rowid;

-- The sessions of people at the web pages.
create table web_sessions (
    hash        text primary key,                   -- of the cookie
    id          text not null unique,               -- the name that people see
    name        text not null,
    source      text not null,                      -- domain.access.permissions.SignInMethod
    role        text,                               -- null = as the row of people says
    automations text,                               -- JSON list of patterns; null = all, or as the row of people says
    address     text not null,
    browser     text not null,
    made_at     integer not null,
    seen_at     integer not null,
    until_at    integer not null
) strict, without rowid;
create index web_sessions_of on web_sessions (name);
create index web_sessions_until on web_sessions (until_at);

-- The credentials of programs.
create table api_tokens (
    id          text primary key,
    name        text not null unique,
    hash        text not null unique,               -- of the token
    role        text not null,                      -- domain.access.permissions.Role
    automations text,                               -- JSON list of patterns; null = all
    by          text not null,                      -- its creator
    made_at     integer not null,
    until_at    integer,                            -- null = until it is revoked
    used_at     integer
) strict, without rowid;

-- Links that open the pages. Each works once.
create table start_links (
    hash        text primary key,                   -- of the secret in the link
    until_at    integer not null
) strict, without rowid;

-- Bulk operations, which are executed in the background. The runs or deliveries are fixed when the operation is requested (bulk_parts), and
-- are worked through in the order of their ids: everything up to `reached` is done.
create table bulk_operations (
    seq         integer primary key autoincrement,
    id          text not null unique,               -- id of the command that requested it
    verb        text not null,                      -- domain.runs.bulk_operation.BulkVerb
    state       text not null,                      -- states.BulkState
    selection   blob not null,                      -- JSON: how its runs were selected, to show to people
    automations text not null,                      -- JSON list: the automations of its runs
    rate        text,                               -- domain.time.rate.Rate; null = as fast as possible
    piece       integer not null,                   -- batch size
    every_ms    integer not null,                   -- from one batch to the next
    actor       text not null,
    reason      text,
    total       integer not null,
    done        integer not null default 0,
    refused     integer not null default 0,
    reached     text not null default '',           -- the last id of the last batch
    made_at     integer not null,
    changed_at  integer not null,
    ended_at    integer,
    due_at      integer not null,                   -- when the next batch is due
    lease       text,                               -- id of the lease on the next batch; null = free
    until_at    integer not null default 0          -- when the lease expires
) strict;
create index bulk_operations_running on bulk_operations (due_at) where state = 'running';
create index bulk_operations_leased on bulk_operations (lease) where lease is not null;
create index bulk_operations_ended on bulk_operations (ended_at) where ended_at is not null;

-- The runs or deliveries of each bulk operation.
create table bulk_parts (
    bulk  text not null,
    run   text not null,
    reason text,                                    -- why it was rejected; null = it was not, or not reached yet
    primary key (bulk, run)
) strict, without rowid;
create index bulk_parts_refused on bulk_parts (bulk, run) where reason is not null;
