update deliveries set state = {{dropped}}, note = ?1, due_at = null, changed_at = ?2 where id = ?3 and state = {{held}}
