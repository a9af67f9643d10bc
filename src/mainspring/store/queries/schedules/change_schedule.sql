update schedules set spec = ?, next_slot_at = ?, spec_at = ? where name = ?
