-- Operations on the rollouts of one automation (?1 = "automation:NAME"), oldest first. By the verb: each start of a run has the same subject,
-- and the empty text keeps a server from the index of subjects.
select seq, at, command, actor, verb, subject, reason, detail, result, hash from audit_log indexed by audit_log_verb
where verb in {{rollout_verbs}} and subject || '' = ?1 and at >= ?2 and at < ?3 order by seq
