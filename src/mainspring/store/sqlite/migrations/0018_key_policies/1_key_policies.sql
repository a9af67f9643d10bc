-- An unfinished run of the key besides `run`, which is being replaced or rolled back: no other one begins before it has ended.
alter table run_keys add column holder text;
create index run_keys_holder on run_keys (holder) where holder is not null;

-- Starts that a caller may send again: the id of its request, and the run that answered it.
create table start_requests (
    automation text not null,
    request    text not null,
    run        text not null,
    input_hash text not null,
    expires_at integer not null,
    primary key (automation, request)
) strict, without rowid;
create index start_requests_expiry on start_requests (expires_at);
