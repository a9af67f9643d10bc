select hash from audit_log where seq = ?
