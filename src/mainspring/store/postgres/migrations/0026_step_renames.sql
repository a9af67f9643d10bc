-- What a person decided on a saved step that the code of its run could not ask for any more: its new name, or that it is gone.
create table step_renames (
    run      text collate "C" not null,
    old_name text collate "C" not null,
    new_name text collate "C",                                  -- null = the step is gone
    at       bigint not null,
    primary key (run, old_name)
);
