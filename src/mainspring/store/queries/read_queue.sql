select concurrency, rate_count, rate_per_ms, rate_next_us, max_backlog, backlog, paused_at from queues where name = ?
