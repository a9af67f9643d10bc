-- Locks with several slots, and their waiters.

alter table locks add column slot  bigint not null default 1;           -- from 1 to slots
alter table locks add column slots bigint not null default 1;           -- how many may hold the lock
alter table locks add column received bigint not null default 1;        -- whether its owner knows that it has the lock
alter table locks drop constraint locks_pkey;
alter table locks add primary key (name, slot);

-- Who waits for a lock, in the order of the tickets.
create table lock_waiters (
    name     text collate "C" not null,
    ticket   bigint not null,
    owner    text collate "C" not null,
    session  bigint not null,
    since_at bigint not null,
    until_at bigint not null,
    slots    bigint not null,
    note     text collate "C",
    primary key (name, ticket)
);

-- The longest time that a lock was held, of those longer than a minute: what is usual for it.
alter table lock_tokens add column longest_ms bigint not null default 0;
