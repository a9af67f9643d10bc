-- Statistics of one automation by the hour (UTC), oldest first.
select minute_at - minute_at % 3600000 as hour_at, sum(started), sum(succeeded), sum(failed), sum(attention)
from rollups where automation = ?1 and minute_at >= ?2 group by hour_at order by hour_at
