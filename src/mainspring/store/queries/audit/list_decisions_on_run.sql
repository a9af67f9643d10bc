-- What people gave or decided of one run (?1 = "run:ID"), newest first; refused tries too. By time: the order of the index alone would let a
-- server walk along all acts.
select verb, at, actor, reason, detail, result from audit_log
where subject = ?1 and verb in ('mark_done', 'give_result', 'discard') order by at desc, seq desc limit ?2
