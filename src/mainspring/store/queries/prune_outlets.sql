-- Of queues that were in trouble and whose messages a person discarded.
delete from outlets where lease is null and due_at <= ?
  and not exists (select 1 from outbox where outbox.state = {{unsent}} and outbox.queue = outlets.queue)
