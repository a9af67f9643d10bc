select id, state, run, body_hash, note from deliveries where trigger = ? and key = ?
