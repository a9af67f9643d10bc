-- The newest operations since an instant through some entry points, among the newest of all.
select seq, at, command, actor, verb, subject, reason, detail, result, hash from audit_log
where seq > ?1 and at >= ?2 and exists (select 1 from json_each(?3) as origin where audit_log.actor like origin.value || ':%')
order by seq desc limit ?4
