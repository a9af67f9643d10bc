update attempts set superseded = ?1
where run = ?2 and superseded is null
  and ident in (select ident from journal where run = ?2 and asked >= ?3 and rank >= ?4 and superseded is null)
