insert into rollups (session, automation, minute_at, started, succeeded, failed, cancelled, attention, steps, step_errors, took_ms, took_max_ms)
select session, ?1, minute_at, started, succeeded, failed, cancelled, attention, steps, step_errors, took_ms, took_max_ms
from rollups where automation = ?2
on conflict do update
set started = started + excluded.started, succeeded = succeeded + excluded.succeeded, failed = failed + excluded.failed,
    cancelled = cancelled + excluded.cancelled, attention = attention + excluded.attention, steps = steps + excluded.steps,
    step_errors = step_errors + excluded.step_errors, took_ms = took_ms + excluded.took_ms, took_max_ms = max(took_max_ms, excluded.took_max_ms)
