select actor from audit_log where actor > ?1 and actor < ?2 order by actor limit 1
