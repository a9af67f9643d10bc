-- Found by due time, however many other deliveries are held: without the '' the server would scan the keys in their order.
select trigger || '', by_key || '', min(due_at) from deliveries
where state = {{held}} and due_at <= ? and trigger not in (select value from json_each(?)) group by 1, 2 order by 3, 1, 2 limit ?
