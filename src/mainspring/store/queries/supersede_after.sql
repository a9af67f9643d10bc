update journal set superseded = ?1
where run = ?2 and superseded is null
  and (rank = ?3 or asked_after >= ?3 or (rank > ?3 and state in ({{failed}}, {{cancelled}})))
