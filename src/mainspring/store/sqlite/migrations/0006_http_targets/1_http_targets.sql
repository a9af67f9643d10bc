-- Hosts with a rate limit or a circuit breaker: domain.effects.target_limits.TargetState.
create table http_targets (
    target         text not null,
    turns          text not null,     -- the last requests of the rate, counted from base_at
    base_at        integer not null,
    failures       integer not null,
    open_until_at  integer,              -- the breaker is open, at least until then
    probe          text,              -- the request that tries whether the target works again
    probe_until_at integer,
    entered        text,              -- the request that entered last, which may be sent at entered_at
    entered_at     integer not null,
    last_failure   text,              -- the request that failed last
    changed_at     integer not null,
    primary key (target)
) strict, without rowid;

-- Instants that are reserved for requests of steps, which come back for them.
create table http_turns (
    target text not null,
    owner  text not null,             -- the request, by the key of its step
    at     integer not null,
    primary key (target, owner)
) strict, without rowid;
