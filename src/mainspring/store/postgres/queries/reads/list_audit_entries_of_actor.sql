-- From one place of its index to another: told that the actor is one, the server may walk along all acts until enough of them fit.
select seq, at, command, actor, verb, subject, reason, detail, result, hash from audit_log
where (actor, seq) < (?8, ?1) and (actor, seq) >= (?8, ?2)
  and {{condition.audit_fits}}
order by actor desc, seq desc limit ?3
