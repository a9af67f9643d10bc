select state, reached, total, done, refused, every_ms, due_at from bulk_operations where id = ?
