-- The pauses of runs: a row exists exactly while its run is paused.
create table run_pauses (
    run       text primary key,
    paused_at integer not null,
    paused_by text not null,
    reason    text,
    due_at    integer  -- of a queued run: the instant before which it is not claimed
) strict, without rowid;

create index run_pauses_age on run_pauses (paused_at);
