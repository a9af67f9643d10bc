-- The numbers that the steps of runs measured.
create table measurements (
    run     text not null,
    rank    integer not null,  -- of the outcome in the journal
    numbers text not null,  -- JSON: numbers by name
    primary key (run, rank)
) strict, without rowid;

alter table rollouts add column watched text;  -- JSON: the measurements that the guard compares
alter table rollout_runs add column numbers text;  -- JSON: the watched numbers of a run when it counted
