select at from audit_log where seq <= ?1 order by seq desc limit 1
