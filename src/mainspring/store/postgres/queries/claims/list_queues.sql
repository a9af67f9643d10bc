select name, concurrency, rate_count, rate_per_ms, rate_starts, max_backlog,
       (select coalesce(sum(n), 0)::bigint from queue_backlogs where queue_backlogs.queue = queues.name) as backlog, paused_at, paused_by, pause_reason,
       (select count(*) from (select 1 from runs where runs.queue = queues.name and state = {{running}} limit 1000) as counted) as running
from queues where cast(?1 as text) is null or name = ?1 order by name
