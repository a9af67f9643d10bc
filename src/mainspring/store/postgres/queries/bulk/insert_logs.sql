insert into logs (run, seq, ident, attempt, first_at, last_at, lines, size, upto, body)
select requested.run, coalesce(last.next, 1) + requested.before, requested.ident, requested.attempt, requested.first_at, requested.last_at, requested.lines,
       requested.size, coalesce(last.upto, 0) + requested.upto, requested.body
from (select * from unnest(cast(?1 as text[]), cast(?2 as text[]), cast(?3 as bigint[]), cast(?4 as bigint[]), cast(?5 as bigint[]),
                           cast(?6 as bigint[]), cast(?7 as bigint[]), cast(?8 as bytea[]), cast(?9 as bigint[]), cast(?10 as bigint[]),
                           cast(?11 as bigint[]), cast(?12 as bigint[])) limit cardinality(cast(?1 as text[])))
     as requested(run, ident, attempt, first_at, last_at, lines, size, body, before, upto, line_limit, bytes)
join runs on runs.id = requested.run
left join lateral (select logs.seq + logs.lines as next, logs.upto from logs where logs.run = requested.run order by logs.seq desc limit 1) as last on true
where coalesce(last.next, 1) - 1 <= requested.line_limit and coalesce(last.upto, 0) <= requested.bytes
returning run
