-- From one place of its index to another: told that the subject is one, the server may walk along all acts until enough of them fit.
select seq, at, command, actor, verb, subject, reason, detail, result, hash from audit_log
where (subject, seq) < (?8, ?1) and (subject, seq) >= (?8, ?2)
  and {{condition.audit_fits}}
order by subject desc, seq desc limit ?3
