insert into slots (schedule, slot_at, verdict, run, note, made_at) values (?, ?, ?, ?, ?, ?)
