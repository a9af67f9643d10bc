select schedule, slot_at, verdict, run, note, made_at, number from slots where schedule = ? order by slot_at desc limit ?
