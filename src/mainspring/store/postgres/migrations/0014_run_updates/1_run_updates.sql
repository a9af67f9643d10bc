-- Updates: requests to a run, each with its reply.
create table run_updates (
    id           text collate "C" primary key,    -- domain.runs.update.make_update_id: the same request to the runs of a chain has one id
    run          text collate "C" not null,
    first_run    text collate "C" not null,       -- the first run of the chain: updates stay as long as one of its runs
    request_id   text collate "C" not null,       -- given by the caller, or the id of the operation
    name         text collate "C" not null,
    input_hash   text collate "C" not null,       -- the same request with another input is an error
    state        text collate "C" not null,       -- domain.states.UpdateState
    seq          bigint not null,                 -- its place in the inbox
    ident        text collate "C",                -- the request in the journal, once it is accepted
    requested_at bigint not null,
    replied_at   bigint,
    result       bytea,
    failure      bytea,                           -- domain.failures.failure.Failure as JSON
    superseded   bigint                           -- the generation that no longer counts the reply
);

create index run_updates_run  on run_updates (run, seq);
create index run_updates_first_run on run_updates (first_run);
create index run_updates_open on run_updates (run) where replied_at is null;
