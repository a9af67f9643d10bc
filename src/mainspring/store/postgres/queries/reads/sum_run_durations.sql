-- Each automation separately: see sum_rollups_of.
select requested.value, sums.metric, sums.n, sums.first_at
from json_each(?1) as requested cross join lateral (
    select metric, sum(n) as n, min(minute_at) as first_at
    from rollup_details where automation = requested.value and (automation, minute_at) >= (requested.value, ?2)
      and (automation, minute_at) < (requested.value, ?3) and metric like 'ms<=2^%'
    group by metric) as sums
