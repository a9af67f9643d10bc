-- Queries: questions to the code of a run about its state. A row exists while its caller may wait.
create table run_queries (
    id          text collate "C" primary key,
    run         text collate "C" not null,
    name        text collate "C" not null,
    input       bytea not null,
    until_at    bigint not null,                  -- the caller waits until then; later the row is deleted
    session     bigint,                           -- the one that answers it
    answered_at bigint,
    result      bytea,
    failure     bytea                             -- domain.failures.failure.Failure as JSON
);

create index run_queries_open on run_queries (until_at) where answered_at is null;
create index run_queries_until on run_queries (until_at);
