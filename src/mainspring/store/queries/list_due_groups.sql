select trigger, by_key, min(due_at) from deliveries where state = {{held}} and due_at <= ? group by trigger, by_key order by 3 limit ?
