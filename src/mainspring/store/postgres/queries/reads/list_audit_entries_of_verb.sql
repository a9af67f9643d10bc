-- From one position of its index to another: with "verb = ?" the server might scan all operations until enough of them match.
select seq, at, command, actor, verb, subject, reason, detail, result, hash from audit_log
where (verb, seq) < (?8, ?1) and (verb, seq) >= (?8, ?2)
  and {{condition.audit_fits}}
order by verb desc, seq desc limit ?3
