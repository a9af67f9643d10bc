update schedules set last_slot_at = ?1, next_slot_at = ?2 where name = ?3 and (next_slot_at is null or next_slot_at <= ?1)
