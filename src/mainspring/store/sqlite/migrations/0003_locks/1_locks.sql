-- Locks with several slots, and their waiters.

alter table locks rename to locks_before;

-- Locks that are held now: one row for each slot.
create table locks (
    name     text not null,
    owner    text not null,                         -- id of a run, or name of an exec run
    session  integer,
    token    integer not null,                      -- fencing token
    acquired_at integer not null,
    note     text,
    slot     integer not null default 1,            -- from 1 to slots
    slots    integer not null default 1,            -- how many may hold the lock
    received integer not null default 1,            -- whether its owner knows that it has the lock
    primary key (name, slot)
) strict, without rowid;
insert into locks (name, owner, session, token, acquired_at, note) select name, owner, session, token, acquired_at, note from locks_before;
drop table locks_before;

-- Who waits for a lock, in the order of the tickets.
create table lock_waiters (
    name     text not null,
    ticket   integer not null,
    owner    text not null,
    session  integer not null,
    since_at integer not null,
    until_at integer not null,
    slots    integer not null,
    note     text,
    primary key (name, ticket)
) strict, without rowid;

-- The longest time that a lock was held, of those longer than a minute: what is usual for it.
alter table lock_tokens add column longest_ms integer not null default 0;
