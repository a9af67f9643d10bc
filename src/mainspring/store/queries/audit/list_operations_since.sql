-- Moves of rollouts are few, and found by their verb. Of the others only the newest are searched: the log has no index by time.
select at, actor, verb, subject from (
    select at, actor, verb, subject from (select at, actor, verb, subject from audit_log order by seq desc limit ?2) as newest
    where at >= ?1 and verb in ('pause', 'resume', 'retire')
    union all
    select at, actor, verb, subject from audit_log indexed by audit_log_verb where verb in {{rollout_verbs}} and at >= ?1
) as operations order by at
