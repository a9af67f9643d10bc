insert into rollups (session, automation, minute_at, started, succeeded, failed, cancelled, attention, steps, step_errors, duration_ms, max_duration_ms)
select * from unnest(cast(?1 as bigint[]), cast(?2 as text[]), cast(?3 as bigint[]), cast(?4 as bigint[]), cast(?5 as bigint[]), cast(?6 as bigint[]),
                      cast(?7 as bigint[]), cast(?8 as bigint[]), cast(?9 as bigint[]), cast(?10 as bigint[]), cast(?11 as bigint[]), cast(?12 as bigint[]))
on conflict (automation, minute_at, session) do update
set started = rollups.started + excluded.started, succeeded = rollups.succeeded + excluded.succeeded,
    failed = rollups.failed + excluded.failed, cancelled = rollups.cancelled + excluded.cancelled,
    attention = rollups.attention + excluded.attention, steps = rollups.steps + excluded.steps,
    step_errors = rollups.step_errors + excluded.step_errors, duration_ms = rollups.duration_ms + excluded.duration_ms,
    max_duration_ms = case when excluded.max_duration_ms > rollups.max_duration_ms then excluded.max_duration_ms else rollups.max_duration_ms end
