-- Each automation by itself: else the figures of all automations over the span are read for those of one.
select wanted.value, sums.started, sums.succeeded, sums.failed, sums.attention
from json_each(?1) as wanted cross join lateral (
    select sum(started) as started, sum(succeeded) as succeeded, sum(failed) as failed, sum(attention) as attention
    from rollups where automation = wanted.value and minute_at >= ?2 and minute_at < ?3
    group by automation) as sums
