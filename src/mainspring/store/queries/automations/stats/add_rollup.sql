insert into rollups (session, automation, minute_at, started, succeeded, failed, cancelled, attention, steps, step_errors, duration_ms, max_duration_ms)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (automation, minute_at, session) do update
set started = rollups.started + excluded.started, succeeded = rollups.succeeded + excluded.succeeded,
    failed = rollups.failed + excluded.failed, cancelled = rollups.cancelled + excluded.cancelled,
    attention = rollups.attention + excluded.attention, steps = rollups.steps + excluded.steps,
    step_errors = rollups.step_errors + excluded.step_errors, duration_ms = rollups.duration_ms + excluded.duration_ms,
    max_duration_ms = case when excluded.max_duration_ms > rollups.max_duration_ms then excluded.max_duration_ms else rollups.max_duration_ms end
