select schedule, slot_at, verdict, run, note, made_at from slots where schedule = ? order by slot_at desc limit ?
