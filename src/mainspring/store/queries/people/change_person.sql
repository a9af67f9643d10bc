update people set role = ?1, automations = ?2, changed_at = ?3 where name = ?4
