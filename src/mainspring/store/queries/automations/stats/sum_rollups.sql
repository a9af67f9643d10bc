select automation, sum(started), sum(succeeded), sum(failed), sum(cancelled), sum(attention), sum(steps), sum(step_errors), sum(duration_ms),
       max(max_duration_ms)
from rollups indexed by rollups_minute where minute_at >= ? group by automation order by automation
