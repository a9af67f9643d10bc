update run_queries set session = ?2 where id = ?1 and session is null and answered_at is null
