update api_tokens set used_at = ?1 where hash = ?2 and coalesce(used_at, 0) < ?1
