update queues set backlog = max(backlog + ?, 0) where name = ?
