-- Where starts can be refused, they are counted one group at a time.
select concurrency, rate_count, rate_per_ms, rate_next_us, max_backlog, 0, paused_at from queues where name = ?1 and max_backlog is null
union all
select limited.*, (select coalesce(sum(n), 0)::bigint from queue_backlogs where queue = ?1), paused_at
from (select concurrency, rate_count, rate_per_ms, rate_next_us, max_backlog from queues where name = ?1 and max_backlog is not null for update)
     as limited
join queues on queues.name = ?1
