-- The tags of runs, to find runs by them. Tags that a codec sealed are not here.
create table run_tags (
    name    text collate "C" not null,
    value   text collate "C" not null,
    run_seq bigint not null,
    run     text collate "C" not null,
    primary key (name, value, run_seq)
);

create index run_tags_run on run_tags (run);
