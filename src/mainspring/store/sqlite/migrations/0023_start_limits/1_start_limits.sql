-- Runs that wait for a later start, which replaces their input, by the key of their definition.
create table debounced_runs (
    automation text not null,
    key        text not null,                       -- '' = one key for all
    run        text not null,
    primary key (automation, key)
) strict, without rowid;

-- Starts of the last span, by the key of their definition.
create table start_throttles (
    automation text not null,
    key        text not null,
    starts     text not null,                       -- domain.time.rate_window: the starts within the last span
    expires_at integer not null,                    -- from then on they count no more
    primary key (automation, key)
) strict, without rowid;
