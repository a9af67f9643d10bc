select id, verb, actor, reason, reached, piece from bulk_acts
where state = {{running}} and due_at <= ?1 and until_at <= ?1 order by due_at, seq limit 1
