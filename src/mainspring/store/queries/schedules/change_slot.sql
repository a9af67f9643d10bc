update slots set verdict = ?, run = ?, note = ?, made_at = ? where schedule = ? and slot_at = ?
