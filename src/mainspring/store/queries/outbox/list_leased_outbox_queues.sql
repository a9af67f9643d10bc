select queue, failures from outbox_leases where lease = ?
order by (select first.seq from outbox as first where first.state = {{unsent}} and first.queue = outbox_leases.queue order by first.seq limit 1)
