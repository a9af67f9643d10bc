-- What a person decided on a saved step that the code of its run could not ask for any more: its new name, or that it is gone.
create table step_renames (
    run      text not null,
    old_name text not null,
    new_name text,                                  -- null = the step is gone
    at       integer not null,
    primary key (run, old_name)
) strict, without rowid;

-- A fingerprint of the hash seed of a process, and of the one in which a run began: another seed, another order of sets.
alter table sessions add column hash_seed text;
alter table runs add column hash_seed text;

-- The attempts that wait for a child process of a worker (JSON, domain.child_queue); null = none waits.
alter table sessions add column child_queue text;
