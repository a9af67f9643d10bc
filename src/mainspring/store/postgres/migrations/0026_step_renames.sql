-- What a person decided on a saved step that the code of its run could not ask for any more: its new name, or that it is gone.
create table step_renames (
    run      text collate "C" not null,
    old_name text collate "C" not null,
    new_name text collate "C",                                  -- null = the step is gone
    at       bigint not null,
    primary key (run, old_name)
);

-- A fingerprint of the hash seed of a process, and of the one in which a run began: another seed, another order of sets.
alter table sessions add column hash_seed text collate "C";
alter table runs add column hash_seed text collate "C";

-- The attempts that wait for a child process of a worker (JSON, domain.child_queue); null = none waits.
alter table sessions add column child_queue text collate "C";
