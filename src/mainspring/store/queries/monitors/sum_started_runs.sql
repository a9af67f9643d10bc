select rollups.automation, sum(rollups.started)
from json_each(?1) as wanted join rollups on rollups.automation = wanted.value
where rollups.minute_at >= ?2 group by rollups.automation
