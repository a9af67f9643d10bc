-- Results and decisions of people on one run (?1 = "run:ID"), newest first, including refused tries. By time: with the order of the index
-- alone a server might scan all operations.
select verb, at, actor, reason, detail, result from audit_log
where subject = ?1 and verb in ('mark_done', 'give_result', 'discard') order by at desc, seq desc limit ?2
