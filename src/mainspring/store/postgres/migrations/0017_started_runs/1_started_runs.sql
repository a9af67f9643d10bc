-- Runs that the code of a run started: they are no children.
create table started_runs (
    starter text collate "C" not null,
    run     text collate "C" not null,
    primary key (starter, run)
);
