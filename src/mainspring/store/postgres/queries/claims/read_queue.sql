-- As QUEUE_BACKLOG in schema/runs/queues.py: the backlog is counted by session.
select rate_count, rate_per_ms, max_backlog,
       case when max_backlog is null then 0 else (select coalesce(sum(n), 0)::bigint from queue_backlogs where queue = ?1) end
from queues where name = ?1
