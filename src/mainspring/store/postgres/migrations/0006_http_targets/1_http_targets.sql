-- Hosts with a rate limit or a circuit breaker: domain.effects.target_limits.TargetState.
create table http_targets (
    target         text collate "C" not null,
    starts         text collate "C" not null,
    failures       bigint not null,
    open_until_at  bigint,              -- the breaker is open, at least until then
    probe          text collate "C",    -- the request that tries whether the target works again
    probe_until_at bigint,
    entered        text collate "C",    -- the request that entered last, which may be sent at entered_at
    entered_at     bigint not null,
    last_failure   text collate "C",    -- the request that failed last
    changed_at     bigint not null,
    primary key (target)
);
