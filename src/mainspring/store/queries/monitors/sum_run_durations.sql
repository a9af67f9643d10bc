select details.automation, details.metric, sum(details.n), min(details.minute_at)
from json_each(?1) as requested join rollup_details as details on details.automation = requested.value
where details.minute_at >= ?2 and details.minute_at < ?3 and details.metric like 'ms<=2^%'
group by details.automation, details.metric
