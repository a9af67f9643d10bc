-- Runs that continue by themselves after they failed.
create table run_retries (
    run       text collate "C" not null primary key,
    policy    text collate "C" not null,     -- JSON: Retry.to_data
    retries   bigint not null,           -- how often the run has continued
    failure   bytea,                   -- its last failure
    failed_at bigint
);
