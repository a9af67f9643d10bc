-- Only among the newest operations: the log is ordered by time, and has no index by it.
select at, actor, verb, subject from (select at, actor, verb, subject from audit_log order by seq desc limit ?2) as newest
where at >= ?1 and (verb in ('pause', 'resume', 'retire') or verb like 'rollout %') order by at
