select state, run, note, verified from deliveries where id = ?
