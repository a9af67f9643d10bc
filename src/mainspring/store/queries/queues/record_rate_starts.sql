update queues set rate_starts = ? where name = ?
