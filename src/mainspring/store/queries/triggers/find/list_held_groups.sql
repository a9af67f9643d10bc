select trigger, by_key, count(*) as number, min(due_at) as due_at, min(received_at) as first_at from deliveries
where trigger = ?1 and state = {{held}} and due_at is not null group by trigger, by_key order by 4, 2 limit ?2
