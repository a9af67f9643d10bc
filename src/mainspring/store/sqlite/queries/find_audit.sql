select result from audit_log where command = ?
