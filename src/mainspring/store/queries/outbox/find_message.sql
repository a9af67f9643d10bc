select state from outbox where id = ?
