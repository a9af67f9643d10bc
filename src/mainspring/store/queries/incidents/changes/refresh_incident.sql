update incidents set severity = ?1, text = ?2, hint = ?3, facts = ?4, seen_at = ?5, number = number + ?6, parent = ?7 where id = ?8
