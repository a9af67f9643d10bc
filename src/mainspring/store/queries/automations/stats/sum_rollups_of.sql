select rollups.automation, sum(rollups.started), sum(rollups.succeeded), sum(rollups.failed), sum(rollups.attention)
from json_each(?1) as requested join rollups on rollups.automation = requested.value
where rollups.minute_at >= ?2 and rollups.minute_at < ?3 group by rollups.automation
