select name, concurrency, rate_count, rate_per_ms, rate_next_us from queues where paused_at is null
