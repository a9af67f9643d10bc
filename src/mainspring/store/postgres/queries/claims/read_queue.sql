select concurrency, rate_count, rate_per_ms, rate_starts, max_backlog,
       case when max_backlog is null then 0 else (select coalesce(sum(n), 0)::bigint from queue_backlogs where queue = ?1) end, paused_at
from queues where name = ?1
