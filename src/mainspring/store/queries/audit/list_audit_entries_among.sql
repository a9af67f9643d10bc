-- Operations from one number down to another that match: by these actors (a list as JSON), this entry point, this verb, this automation.
select seq, at, command, actor, verb, subject, reason, detail, result, hash from audit_log
where seq < ?1 and seq >= ?2
  and {{condition.audit_fits}}
order by seq desc limit ?3
