-- The tags of runs, to find runs by them. Tags that a codec sealed are not here.
create table run_tags (
    name    text not null,
    value   text not null,
    run_seq integer not null,
    run     text not null,
    primary key (name, value, run_seq)
) strict, without rowid;

create index run_tags_run on run_tags (run);
