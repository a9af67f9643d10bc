-- Runs that wait for a later start, which replaces their input, by the key of their definition.
create table debounced_runs (
    automation text collate "C" not null,
    key        text collate "C" not null,           -- '' = one key for all
    run        text collate "C" not null,
    primary key (automation, key)
);

-- Starts of the last span, by the key of their definition.
create table start_throttles (
    automation text collate "C" not null,
    key        text collate "C" not null,
    starts     text collate "C" not null,           -- domain.time.rate_window: the starts within the last span
    expires_at bigint not null,                     -- from then on they count no more
    primary key (automation, key)
);
