-- As list_audit_entries_among, for one actor, by its index.
select seq, at, command, actor, verb, subject, reason, detail, result, hash from audit_log
where actor = ?8 and seq < ?1 and seq >= ?2
  and {{condition.audit_fits}}
order by seq desc limit ?3
