select id, verb, actor, reason, reached, piece from bulk_acts where lease = ?
