delete from logs where (run, seq) in (select run, seq from logs where last_at < ?1 order by last_at limit ?2)
