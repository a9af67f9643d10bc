select next_slot_at from schedules where name = ?
