-- Each automation separately: see sum_rollups_of.
select wanted.value, sums.what, sums.n, sums.first_at
from json_each(?1) as wanted cross join lateral (
    select what, sum(n) as n, min(minute_at) as first_at
    from rollup_details where automation = wanted.value and (automation, minute_at) >= (wanted.value, ?2)
      and (automation, minute_at) < (wanted.value, ?3) and what like 'ms<=2^%'
    group by what) as sums
