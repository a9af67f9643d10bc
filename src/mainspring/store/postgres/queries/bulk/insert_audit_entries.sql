insert into audit_log (seq, at, command, actor, verb, subject, reason, detail, result, prev_hash, hash)
select * from unnest(
    cast(?1 as bigint[]), cast(?2 as bigint[]), cast(?3 as text[]), cast(?4 as text[]), cast(?5 as text[]), cast(?6 as text[]),
    cast(?7 as text[]), cast(?8 as bytea[]), cast(?9 as bytea[]), cast(?10 as text[]), cast(?11 as text[]))
