select name, (select minute_at from rollups where automation = automations.name and succeeded > 0 order by minute_at desc limit 1)
from automations where retired_at is null
