-- The numbers that the steps of runs measured.
create table measurements (
    run     text collate "C" not null,
    rank    bigint not null,  -- of the outcome in the journal
    numbers text collate "C" not null,  -- JSON: numbers by name
    primary key (run, rank)
);

alter table rollouts add column watched text collate "C";  -- JSON: the measurements that the guard compares
alter table rollout_runs add column numbers text collate "C";  -- JSON: the watched numbers of a run when it counted
