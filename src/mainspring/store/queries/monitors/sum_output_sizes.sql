-- Output sizes of successes by day (UTC).
select details.automation, details.minute_at - details.minute_at % 86400000 as day_at, details.metric, sum(details.n)
from json_each(?1) as requested join rollup_details as details on details.automation = requested.value
where details.minute_at >= ?2 and details.minute_at < ?3 and details.metric like 'bytes%'
group by details.automation, day_at, details.metric
