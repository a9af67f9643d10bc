-- Durations of the runs of one automation, by the hour (UTC) in which they ended.
select minute_at - minute_at % 3600000 as hour_at, metric, sum(n)
from rollup_details where automation = ?1 and minute_at >= ?2 and metric like 'ms<=2^%' group by hour_at, metric order by hour_at
