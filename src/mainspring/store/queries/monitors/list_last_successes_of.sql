-- As list_last_successes, for some automations.
select requested.value, (select minute_at from rollups where automation = requested.value and succeeded > 0 and not exists (
            select 1 from clock_steps where by_ms < 0 and rollups.minute_at > at - 60000 and rollups.minute_at <= at - by_ms) order by minute_at desc limit 1)
from json_each(?1) as requested
