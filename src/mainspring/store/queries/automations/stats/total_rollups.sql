insert into rollups (session, automation, minute_at, started, succeeded, failed, cancelled, attention, steps, step_errors, duration_ms, max_duration_ms)
select 0, automation, 0, sum(started), sum(succeeded), sum(failed), sum(cancelled), sum(attention), sum(steps),
       sum(step_errors), sum(duration_ms), max(max_duration_ms)
from rollups indexed by rollups_minute where minute_at > 0 and minute_at < ? group by automation
on conflict (automation, minute_at, session) do update
set started = rollups.started + excluded.started, succeeded = rollups.succeeded + excluded.succeeded,
    failed = rollups.failed + excluded.failed, cancelled = rollups.cancelled + excluded.cancelled,
    attention = rollups.attention + excluded.attention, steps = rollups.steps + excluded.steps,
    step_errors = rollups.step_errors + excluded.step_errors, duration_ms = rollups.duration_ms + excluded.duration_ms,
    max_duration_ms = case when excluded.max_duration_ms > rollups.max_duration_ms then excluded.max_duration_ms else rollups.max_duration_ms end
