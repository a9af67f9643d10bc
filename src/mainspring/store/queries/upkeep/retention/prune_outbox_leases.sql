-- Of queues that failed, or whose Sender died, and whose messages a person discarded.
delete from outbox_leases where (lease is null or until_at <= ?1) and due_at <= ?1
  and not exists (select 1 from outbox where outbox.state = {{unsent}} and outbox.queue = outbox_leases.queue)
