update deliveries set state = {{dropped}}, note = ?1, due_at = null, changed_at = ?2 where trigger = ?3 and by_key = ?4 and state = {{held}}
