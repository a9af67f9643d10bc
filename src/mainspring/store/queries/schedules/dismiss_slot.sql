update slots set verdict = ?1, note = ?2, made_at = ?3 where schedule = ?4 and slot_at = ?5 and verdict = ?6
