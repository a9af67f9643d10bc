update slots set verdict = ?, run = ?, note = ?, made_at = ?, number = number + ? where schedule = ? and slot_at = ?
