update deliveries set state = ?1, note = ?2, run = ?3, due_at = null, changed_at = ?4
where state = {{held}} and id in (select value from json_each(?5))
