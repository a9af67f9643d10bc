-- Output sizes of successes by day (UTC). Each automation separately: see sum_rollups_of.
select requested.value, sums.day_at, sums.metric, sums.n
from json_each(?1) as requested cross join lateral (
    select minute_at - minute_at % 86400000 as day_at, metric, sum(n) as n
    from rollup_details where automation = requested.value and (automation, minute_at) >= (requested.value, ?2)
      and (automation, minute_at) < (requested.value, ?3) and metric like 'bytes%'
    group by minute_at - minute_at % 86400000, metric) as sums
