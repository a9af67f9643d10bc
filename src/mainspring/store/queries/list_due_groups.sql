select trigger, by_key, min(due_at) from deliveries
where state = {{held}} and due_at <= ? and trigger not in (select value from json_each(?)) group by trigger, by_key order by 3, 1, 2 limit ?
