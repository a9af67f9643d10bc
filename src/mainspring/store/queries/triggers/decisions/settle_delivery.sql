update deliveries set state = ?1, note = ?2, run = ?3, due_at = ?4, by_key = ?5, filtered = 0, changed_at = ?6 where id = ?7 and state = {{received}}
