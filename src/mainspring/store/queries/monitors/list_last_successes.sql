-- A minute that was counted by two clocks, before and after a step back, is ambiguous: its runs are read.
select name, (select minute_at from rollups where automation = automations.name and succeeded > 0 and not exists (
            select 1 from clock_steps where by_ms < 0 and rollups.minute_at > at - 60000 and rollups.minute_at <= at - by_ms) order by minute_at desc limit 1)
from automations where retired_at is null
