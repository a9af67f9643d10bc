insert into audit_log (seq, at, command, actor, verb, subject, reason, detail, result, prev_hash, hash) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
