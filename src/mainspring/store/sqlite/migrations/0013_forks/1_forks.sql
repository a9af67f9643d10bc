alter table runs add column fork blob;  -- JSON: domain.runs.fork_origin.ForkOrigin; null = it is no fork

-- The forks of each run.
create table run_forks (
    source text not null,
    fork   text not null,
    primary key (source, fork)
) strict, without rowid;
