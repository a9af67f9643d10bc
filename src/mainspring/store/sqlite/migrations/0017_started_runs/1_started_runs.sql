-- Runs that the code of a run started: they are no children.
create table started_runs (
    starter text not null,
    run     text not null,
    primary key (starter, run)
) strict, without rowid;
