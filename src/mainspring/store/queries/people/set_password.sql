update people set password = ?1, changed_at = ?2 where name = ?3 and password = coalesce(cast(?4 as text), password)
