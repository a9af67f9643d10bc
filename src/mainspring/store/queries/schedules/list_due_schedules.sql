select name, automation, spec, low_water_at, last_slot_at, next_slot_at, retired_at, options, version, paused_at
from schedules where retired_at is null and next_slot_at is not null and next_slot_at <= ? and paused_at is null order by next_slot_at limit ?
