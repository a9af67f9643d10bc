select schedule, slot_at, verdict, run, note, made_at, number from slots where schedule = ? and slot_at >= ? and slot_at <= ? order by slot_at limit ?
