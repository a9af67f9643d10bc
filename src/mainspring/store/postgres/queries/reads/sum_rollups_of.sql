-- Each automation separately, compared in pairs, for which the index by time is useless: otherwise the rollups of all automations in the
-- span are read for those of one.
select requested.value, sums.started, sums.succeeded, sums.failed, sums.attention
from json_each(?1) as requested cross join lateral (
    select sum(started) as started, sum(succeeded) as succeeded, sum(failed) as failed, sum(attention) as attention
    from rollups where automation = requested.value and (automation, minute_at) >= (requested.value, ?2)
      and (automation, minute_at) < (requested.value, ?3)
    group by automation) as sums
