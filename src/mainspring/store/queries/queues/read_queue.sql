select concurrency, rate_count, rate_per_ms, rate_starts, max_backlog, backlog, paused_at from queues where name = ?
