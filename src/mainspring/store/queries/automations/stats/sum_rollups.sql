select automation, sum(started), sum(succeeded), sum(failed), sum(cancelled), sum(attention), sum(steps), sum(step_errors), sum(took_ms),
       max(took_max_ms)
from rollups indexed by rollups_minute where minute_at >= ? group by automation order by automation
