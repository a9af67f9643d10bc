alter table runs add column fork bytea;  -- JSON: domain.runs.fork_origin.ForkOrigin; null = it is no fork

-- The forks of each run.
create table run_forks (
    source text collate "C" not null,
    fork   text collate "C" not null,
    primary key (source, fork)
);
