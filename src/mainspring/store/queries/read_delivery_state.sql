select state, run, note from deliveries where id = ?
