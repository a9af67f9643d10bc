-- Each automation separately: see sum_rollups_of.
select requested.value, hours.most, hours.first_at
from json_each(?1) as requested cross join lateral (
    select max(started) as most, min(hour_at) as first_at from (
        select minute_at - minute_at % 3600000 as hour_at, sum(started) as started
        from rollups where automation = requested.value and (automation, minute_at) >= (requested.value, ?2)
      and (automation, minute_at) < (requested.value, ?3)
        group by minute_at - minute_at % 3600000) as by_hour
    having count(*) > 0) as hours
