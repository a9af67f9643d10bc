select name, automation, spec, low_water_at, last_slot_at, next_slot_at, retired_at, options, version, paused_at
from schedules where cast(?1 as text) is null or automation = ?1 order by name
