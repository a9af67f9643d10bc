delete from web_sessions where id = ?1 and name = coalesce(cast(?2 as text), name)
