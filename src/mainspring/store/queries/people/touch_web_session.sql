update web_sessions set seen_at = ?1 where hash = ?2 and seen_at < ?1
