-- From one position of its index to another: with "actor = ?" the server might scan all operations until enough of them match.
select seq, at, command, actor, verb, subject, reason, detail, result, hash from audit_log
where (actor, seq) < (?8, ?1) and (actor, seq) >= (?8, ?2)
  and {{condition.audit_fits}}
order by actor desc, seq desc limit ?3
