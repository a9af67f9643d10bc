select seq, hash from audit_log order by seq desc limit 1
