-- The pauses of runs: a row exists exactly while its run is paused.
create table run_pauses (
    run       text collate "C" primary key,
    paused_at bigint not null,
    paused_by text collate "C" not null,
    reason    text collate "C",
    due_at    bigint  -- of a queued run: the instant before which it is not claimed
);

create index run_pauses_age on run_pauses (paused_at);
