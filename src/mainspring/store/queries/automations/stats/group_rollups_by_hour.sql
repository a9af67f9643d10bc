insert into rollups (session, automation, minute_at, started, succeeded, failed, cancelled, attention, steps, step_errors, took_ms, took_max_ms)
select 0, automation, minute_at - minute_at % 3600000 as hour_at, sum(started), sum(succeeded), sum(failed), sum(cancelled), sum(attention), sum(steps),
       sum(step_errors), sum(took_ms), max(took_max_ms)
from rollups indexed by rollups_minute where session > 0 and minute_at < ? group by automation, hour_at
on conflict (automation, minute_at, session) do update
set started = rollups.started + excluded.started, succeeded = rollups.succeeded + excluded.succeeded,
    failed = rollups.failed + excluded.failed, cancelled = rollups.cancelled + excluded.cancelled,
    attention = rollups.attention + excluded.attention, steps = rollups.steps + excluded.steps,
    step_errors = rollups.step_errors + excluded.step_errors, took_ms = rollups.took_ms + excluded.took_ms,
    took_max_ms = case when excluded.took_max_ms > rollups.took_max_ms then excluded.took_max_ms else rollups.took_max_ms end
