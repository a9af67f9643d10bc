select name, spec, next_slot_at from schedules where retired_at is null and next_slot_at is not null and next_slot_at <= ?
