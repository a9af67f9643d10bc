-- Hosts with a rate limit or a circuit breaker: domain.effects.target_limits.TargetState.
create table http_targets (
    target         text not null,
    starts         text not null,
    failures       integer not null,
    open_until_at  integer,             -- the breaker is open, at least until then
    probe          text,                -- the request that tries whether the target works again
    probe_until_at integer,
    entered        text,                -- the request that entered last, which may be sent at entered_at
    entered_at     integer not null,
    last_failure   text,                -- the request that failed last
    changed_at     integer not null,
    primary key (target)
) strict, without rowid;
