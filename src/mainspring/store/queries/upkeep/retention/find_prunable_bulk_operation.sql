select id from bulk_operations where ended_at is not null and ended_at < ? order by ended_at, seq limit 1
