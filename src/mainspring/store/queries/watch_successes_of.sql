-- As watch_successes, of some automations.
select wanted.value, (select minute_at from rollups where automation = wanted.value and succeeded > 0 order by minute_at desc limit 1)
from json_each(?1) as wanted
