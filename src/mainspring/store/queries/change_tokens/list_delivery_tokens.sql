select seq, state, changed_at from deliveries order by seq desc limit ?
