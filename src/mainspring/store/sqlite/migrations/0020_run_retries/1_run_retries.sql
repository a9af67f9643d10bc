-- Runs that continue by themselves after they failed.
create table run_retries (
    run       text not null primary key,
    policy    text not null,     -- JSON: Retry.to_data
    retries   integer not null,           -- how often the run has continued
    failure   blob,                   -- its last failure
    failed_at integer
) strict, without rowid;
