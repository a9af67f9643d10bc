-- One act on many runs that goes on by itself: the runs are those of the moment in which it was asked for, and each has its place by its id:
-- up to `reached` all is done.
create table bulk_acts (
    seq         integer primary key autoincrement,
    id          text not null unique,              -- the command id by which it was asked for
    verb        text not null,                     -- domain.bulk.BulkVerb
    state       text not null,                     -- states.BulkState
    which       blob not null,                     -- JSON: by what its runs were chosen, for people
    automations text not null,                     -- JSON list: of whom its runs are
    rate        text,                              -- domain.rate.Rate; null = as fast as it goes
    piece       integer not null,                  -- runs at a time
    every_ms    integer not null,                  -- from one piece to the next
    actor       text not null,
    reason      text,
    total       integer not null,
    done        integer not null default 0,
    refused     integer not null default 0,
    reached     text not null default '',          -- the last run of the last piece that was noted
    made_at     integer not null,
    changed_at  integer not null,
    ended_at    integer,
    due_at      integer not null,                  -- of the next piece
    lease       text,                              -- id of the take that has the next piece; null = nobody
    until_at    integer not null default 0         -- when the lease ends by itself
) strict;
create index bulk_acts_running on bulk_acts (due_at) where state = 'running';
create index bulk_acts_leased on bulk_acts (lease) where lease is not null;
create index bulk_acts_ended on bulk_acts (ended_at) where ended_at is not null;

create table bulk_parts (                          -- the runs of each
    bulk  text not null,
    run   text not null,
    why   text,                                    -- why it was refused; null = it was not, or its turn has not come
    primary key (bulk, run)
) strict, without rowid;
create index bulk_parts_refused on bulk_parts (bulk, run) where why is not null;
