select at, actor, verb, subject, reason from audit_log where seq > ? order by seq limit ?
