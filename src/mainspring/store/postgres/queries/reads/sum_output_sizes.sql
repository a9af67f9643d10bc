-- Output sizes of successes by day (UTC). Each automation separately: see sum_rollups_of.
select wanted.value, sums.day_at, sums.what, sums.n
from json_each(?1) as wanted cross join lateral (
    select minute_at - minute_at % 86400000 as day_at, what, sum(n) as n
    from rollup_details where automation = wanted.value and (automation, minute_at) >= (wanted.value, ?2)
      and (automation, minute_at) < (wanted.value, ?3) and what like 'bytes%'
    group by minute_at - minute_at % 86400000, what) as sums
