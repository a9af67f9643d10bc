select id, automation, state, reason, slot_at, run_key, result, finished_at, schedule from runs where id = ?
