insert into queues (name, concurrency, rate_count, rate_per_ms, max_backlog) values (?, ?, ?, ?, ?)
on conflict (name) do update set concurrency = excluded.concurrency, rate_count = excluded.rate_count, rate_per_ms = excluded.rate_per_ms,
                                 max_backlog = excluded.max_backlog
