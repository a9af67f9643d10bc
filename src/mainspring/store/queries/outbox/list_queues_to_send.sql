-- From queue to queue: each step is one index lookup, however many messages a queue holds.
with recursive head(queue) as (
    select (select queue from outbox where state = {{unsent}} order by queue limit 1)
    union all
    select (select next.queue from outbox as next where next.state = {{unsent}} and next.queue > head.queue order by next.queue limit 1)
    from head where head.queue is not null
)
select head.queue, coalesce(outbox_leases.failures, 0)
from head left join outbox_leases on outbox_leases.queue = head.queue left join sessions on sessions.id = outbox_leases.session
where head.queue is not null and coalesce(outbox_leases.due_at, 0) <= ?1
  and (outbox_leases.lease is null or outbox_leases.until_at <= ?1 or coalesce(sessions.state, '') not in ({{alive}}, {{draining}}))
order by (select first.seq from outbox as first where first.state = {{unsent}} and first.queue = head.queue order by first.seq limit 1)
limit ?2
