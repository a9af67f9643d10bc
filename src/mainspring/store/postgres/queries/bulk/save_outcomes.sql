insert into journal (run, rank, ident, name, kind, state, request_number, attempt, generation, claim, input, output, failure, undo, started_at, at,
                     duration_us, requested_after)
select requested.*
from (select * from unnest(cast(?1 as text[]), cast(?2 as bigint[]), cast(?3 as text[]), cast(?4 as text[]), cast(?5 as text[]), cast(?6 as text[]),
            cast(?7 as bigint[]), cast(?8 as bigint[]), cast(?9 as bigint[]), cast(?10 as bigint[]), cast(?11 as bytea[]),
            cast(?12 as bytea[]), cast(?13 as bytea[]), cast(?14 as text[]), cast(?15 as bigint[]), cast(?16 as bigint[]),
            cast(?17 as bigint[]), cast(?18 as bigint[])) limit cardinality(cast(?1 as text[])))
     as requested(run, rank, ident, name, kind, state, request_number, attempt, generation, claim, input, output, failure, undo, started_at, at, duration_us,
               requested_after)
join runs on runs.id = requested.run and runs.claim = requested.claim and coalesce(runs.session, 0) = ?19
on conflict do nothing
returning run, rank
