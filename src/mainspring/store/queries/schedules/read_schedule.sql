select spec, retired_at, key, next_slot_at from schedules where name = ?
