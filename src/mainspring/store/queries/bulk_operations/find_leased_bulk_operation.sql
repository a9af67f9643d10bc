select id, verb, actor, reason, reached, piece from bulk_operations where lease = ?
