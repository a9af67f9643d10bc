-- Messages that steps sent and no broker has acknowledged yet; written in the commit of the outcome. What was sent is deleted.
create table outbox (
    seq       integer primary key autoincrement, -- the order within a queue
    id        text not null unique,              -- derived from run, step and generation: the same on every resend
    queue     text not null,
    state     text not null,                     -- domain.states.MessageState
    key       text,
    body      blob not null,                     -- JSON, sealed
    is_raw    integer not null,                  -- 1 = the body is bytes as JSON writes them
    headers   blob,                              -- JSON object of texts, sealed
    run       text not null,
    ident     text not null,                     -- of the step
    made_at   integer not null,
    fault     text                               -- why it was refused
) strict;
create index outbox_unsent on outbox (queue, seq) where state = 'unsent';
create index outbox_refused on outbox (seq) where state = 'refused';
create index outbox_of_run on outbox (run);

-- Queues of the outbox that a Sender has, or could not send to. A queue in peace has no row.
create table outlets (
    queue     text primary key,
    lease     text,                              -- id of the take that has it; null = nobody
    session   integer,                           -- whose lease it is
    until_at  integer not null,                  -- when the lease ends by itself
    due_at    integer not null,                  -- left alone until then
    failures  integer not null,                  -- how often in a row nothing could be sent
    since_at  integer,                           -- since when
    fault     text                               -- and why
) strict, without rowid;
