select seq, at, command, actor, verb, subject, reason, detail, result, prev_hash, hash from audit_log where seq > ? order by seq limit ?
