select queue, failures from outlets where lease = ?
order by (select first.seq from outbox as first where first.state = {{unsent}} and first.queue = outlets.queue order by first.seq limit 1)
