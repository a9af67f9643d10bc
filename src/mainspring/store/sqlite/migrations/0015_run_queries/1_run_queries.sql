-- Queries: questions to the code of a run about its state. A row exists while its caller may wait.
create table run_queries (
    id          text primary key,
    run         text not null,
    name        text not null,
    input       blob not null,
    until_at    integer not null,                 -- the caller waits until then; later the row is deleted
    session     integer,                          -- the one that answers it
    answered_at integer,
    result      blob,
    failure     blob                              -- domain.failures.failure.Failure as JSON
) strict, without rowid;

create index run_queries_open on run_queries (until_at) where answered_at is null;
create index run_queries_until on run_queries (until_at);
