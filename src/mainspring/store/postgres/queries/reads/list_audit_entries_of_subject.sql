-- From one position of its index to another: with "subject = ?" the server might scan all operations until enough of them match.
select seq, at, command, actor, verb, subject, reason, detail, result, hash from audit_log
where (subject, seq) < (?8, ?1) and (subject, seq) >= (?8, ?2)
  and {{condition.audit_fits}}
order by subject desc, seq desc limit ?3
