-- As list_last_pauses, for some automations.
select automation, max(case when ended_at is null or until_at < ended_at then until_at else ended_at end)
from json_each(?1) as requested join pauses on pauses.automation = requested.value
where ended_at is not null or until_at <= ?2 group by automation
