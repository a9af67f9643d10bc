-- When the last pause of each automation ended.
select automation, max(case when ended_at is null or until_at < ended_at then until_at else ended_at end)
from pauses where ended_at is not null or until_at <= ? group by automation
