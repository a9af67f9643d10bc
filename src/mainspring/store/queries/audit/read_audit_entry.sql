select seq, at, command, actor, verb, subject, reason, detail, result, hash from audit_log where command = ?
