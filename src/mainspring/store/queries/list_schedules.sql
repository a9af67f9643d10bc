select name, automation, spec, low_water_at, last_slot_at, next_slot_at, retired_at from schedules where ?1 is null or automation = ?1 order by name
