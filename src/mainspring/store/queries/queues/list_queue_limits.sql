select name as queue, concurrency, rate_count, rate_per_ms, rate_starts from queues where paused_at is null
