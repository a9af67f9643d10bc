-- Successes by the hour, up to the last one of each automation and from so long before its hour.
select rollups.automation, rollups.minute_at - rollups.minute_at % 3600000 as hour_at, sum(rollups.succeeded)
from json_each(?1) as requested join rollups on rollups.automation = requested.value
where rollups.succeeded > 0 and rollups.minute_at >= (
    select newest.minute_at - newest.minute_at % 3600000 from rollups as newest
    where newest.automation = requested.value and newest.succeeded > 0 order by newest.minute_at desc limit 1) - ?2
group by rollups.automation, hour_at order by rollups.automation, hour_at
