update deliveries set state = {{dropped}}, note = ?1, changed_at = ?2 where id = ?3 and state = {{failed}} and note = ?4
