select queue, count(*) from outbox where run = ? and state = {{unsent}} group by queue order by min(seq) limit ?
