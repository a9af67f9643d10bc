select automation, name, retired_at, next_slot_at, last_slot_at, low_water_at, version from schedules order by name
