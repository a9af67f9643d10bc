select result, verb, subject from audit_log where command = ?
