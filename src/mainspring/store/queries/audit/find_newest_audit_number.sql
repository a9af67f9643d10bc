select coalesce(max(seq), 0) from audit_log
