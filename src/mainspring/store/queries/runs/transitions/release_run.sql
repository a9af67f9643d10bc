update runs set state = {{target.release}}, session = null, ready = 1, due_at = null, rank = ?1, steps = ?1, changed_at = ?2
where id = ?3 and claim = ?4 and coalesce(session, 0) = ?5 and state || '' in {{sources.release}}
