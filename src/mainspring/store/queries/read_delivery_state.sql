select state, run, trigger, key, filtered from deliveries where id = ?
