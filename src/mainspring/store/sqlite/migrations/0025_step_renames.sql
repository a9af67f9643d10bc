-- What a person decided on a saved step that the code of its run could not ask for any more: its new name, or that it is gone.
create table step_renames (
    run      text not null,
    old_name text not null,
    new_name text,                                  -- null = the step is gone
    at       integer not null,
    primary key (run, old_name)
) strict, without rowid;
