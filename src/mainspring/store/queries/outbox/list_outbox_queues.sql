with recursive head(queue) as (
    select (select queue from outbox where state = {{unsent}} order by queue limit 1)
    union all
    select (select next.queue from outbox as next where next.state = {{unsent}} and next.queue > head.queue order by next.queue limit 1)
    from head where head.queue is not null
)
select head.queue as name,
       (select first.made_at from outbox as first where first.state = {{unsent}} and first.queue = head.queue order by first.seq limit 1) as oldest_at,
       coalesce(outbox_leases.failures, 0) as failures, outbox_leases.since_at, outbox_leases.fault, coalesce(outbox_leases.due_at, 0) as due_at
from head left join outbox_leases on outbox_leases.queue = head.queue
where head.queue is not null
order by oldest_at limit ?
