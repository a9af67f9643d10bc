-- Hosts with a rate limit or a circuit breaker: domain.effects.target_limits.TargetState.
create table http_targets (
    target         text collate "C" not null,
    turns          text collate "C" not null,     -- the last requests of the rate, counted from base_at
    base_at        bigint not null,
    failures       bigint not null,
    open_until_at  bigint,              -- the breaker is open, at least until then
    probe          text collate "C",              -- the request that tries whether the target works again
    probe_until_at bigint,
    entered        text collate "C",              -- the request that entered last, which may be sent at entered_at
    entered_at     bigint not null,
    last_failure   text collate "C",              -- the request that failed last
    changed_at     bigint not null,
    primary key (target)
);

-- Instants that are reserved for requests of steps, which come back for them.
create table http_turns (
    target text collate "C" not null,
    owner  text collate "C" not null,             -- the request, by the key of its step
    at     bigint not null,
    primary key (target, owner)
);
