update lock_tokens set longest_ms = ?2 where name = ?1 and longest_ms < ?2
