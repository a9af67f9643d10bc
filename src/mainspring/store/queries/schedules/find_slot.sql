select verdict, run from slots where schedule = ? and slot_at = ?
