delete from outbox where id = ?
