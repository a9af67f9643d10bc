insert into rollups (session, automation, minute_at, started, succeeded, failed, cancelled, attention, steps, step_errors, took_ms, took_max_ms)
select 0, automation, minute_at - minute_at % 3600000 as hour_at, sum(started), sum(succeeded), sum(failed), sum(cancelled), sum(attention), sum(steps),
       sum(step_errors), sum(took_ms), max(took_max_ms)
from rollups indexed by rollups_minute where session > 0 and minute_at < ? group by automation, hour_at
on conflict do update
set started = started + excluded.started, succeeded = succeeded + excluded.succeeded, failed = failed + excluded.failed,
    cancelled = cancelled + excluded.cancelled, attention = attention + excluded.attention, steps = steps + excluded.steps,
    step_errors = step_errors + excluded.step_errors, took_ms = took_ms + excluded.took_ms, took_max_ms = max(took_max_ms, excluded.took_max_ms)
