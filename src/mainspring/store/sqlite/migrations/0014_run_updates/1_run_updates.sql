-- Updates: requests to a run, each with its reply.
create table run_updates (
    id           text primary key,                -- domain.runs.update.make_update_id: the same request to the runs of a chain has one id
    run          text not null,
    first_run    text not null,                   -- the first run of the chain: updates stay as long as one of its runs
    request_id   text not null,                   -- given by the caller, or the id of the operation
    name         text not null,
    input_hash   text not null,                   -- the same request with another input is an error
    state        text not null,                   -- domain.states.UpdateState
    seq          integer not null,                -- its place in the inbox
    ident        text,                            -- the request in the journal, once it is accepted
    requested_at integer not null,
    replied_at   integer,
    result       blob,
    failure      blob,                            -- domain.failures.failure.Failure as JSON
    superseded   integer                          -- the generation that no longer counts the reply
) strict, without rowid;

create index run_updates_run  on run_updates (run, seq);
create index run_updates_first_run on run_updates (first_run);
create index run_updates_open on run_updates (run) where replied_at is null;
