insert into journal (run, rank, ident, name, kind, state, asked, attempt, generation, claim, input, output, failure, undo, started_at, at,
                     took_us, asked_after)
select wanted.*
from (select * from unnest(cast(?1 as text[]), cast(?2 as bigint[]), cast(?3 as text[]), cast(?4 as text[]), cast(?5 as text[]), cast(?6 as text[]),
            cast(?7 as bigint[]), cast(?8 as bigint[]), cast(?9 as bigint[]), cast(?10 as bigint[]), cast(?11 as bytea[]),
            cast(?12 as bytea[]), cast(?13 as bytea[]), cast(?14 as text[]), cast(?15 as bigint[]), cast(?16 as bigint[]),
            cast(?17 as bigint[]), cast(?18 as bigint[])) limit cardinality(cast(?1 as text[])))
     as wanted(run, rank, ident, name, kind, state, asked, attempt, generation, claim, input, output, failure, undo, started_at, at, took_us,
               asked_after)
join runs on runs.id = wanted.run and runs.claim = wanted.claim and coalesce(runs.session, 0) = ?19
on conflict do nothing
returning run, rank
