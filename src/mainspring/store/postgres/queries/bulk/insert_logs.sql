insert into logs (run, seq, ident, attempt, first_at, last_at, lines, size, upto, body)
select wanted.run, coalesce(last.next, 1) + wanted.before, wanted.ident, wanted.attempt, wanted.first_at, wanted.last_at, wanted.lines,
       wanted.size, coalesce(last.upto, 0) + wanted.upto, wanted.body
from (select * from unnest(cast(?1 as text[]), cast(?2 as text[]), cast(?3 as bigint[]), cast(?4 as bigint[]), cast(?5 as bigint[]),
                           cast(?6 as bigint[]), cast(?7 as bigint[]), cast(?8 as bytea[]), cast(?9 as bigint[]), cast(?10 as bigint[]),
                           cast(?11 as bigint[]), cast(?12 as bigint[])) limit cardinality(cast(?1 as text[])))
     as wanted(run, ident, attempt, first_at, last_at, lines, size, body, before, upto, room, bytes)
join runs on runs.id = wanted.run
left join lateral (select logs.seq + logs.lines as next, logs.upto from logs where logs.run = wanted.run order by logs.seq desc limit 1) as last on true
where coalesce(last.next, 1) - 1 <= wanted.room and coalesce(last.upto, 0) <= wanted.bytes
returning run
