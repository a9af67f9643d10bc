delete from start_links where hash = ?1 and until_at > ?2
