select details.automation, details.what, sum(details.n), min(details.minute_at)
from json_each(?1) as wanted join rollup_details as details on details.automation = wanted.value
where details.minute_at >= ?2 and details.minute_at < ?3 and details.what like 'ms<=2^%'
group by details.automation, details.what
