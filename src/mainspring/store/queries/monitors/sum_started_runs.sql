select rollups.automation, sum(rollups.started)
from json_each(?1) as requested join rollups on rollups.automation = requested.value
where rollups.minute_at >= ?2 group by rollups.automation
