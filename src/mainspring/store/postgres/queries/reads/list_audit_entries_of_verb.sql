-- From one place of its index to another: told that the verb is one, the server may walk along all acts until enough of them fit.
select seq, at, command, actor, verb, subject, reason, detail, result, hash from audit_log
where (verb, seq) < (?8, ?1) and (verb, seq) >= (?8, ?2)
  and {{condition.audit_fits}}
order by verb desc, seq desc limit ?3
