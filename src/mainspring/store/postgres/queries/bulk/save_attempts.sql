insert into attempts (run, ident, generation, attempt, name, state, request_number, claim, failure, undo, input, started_at, ended_at, next_at)
select requested.*
from (select * from unnest(cast(?1 as text[]), cast(?2 as text[]), cast(?3 as bigint[]), cast(?4 as bigint[]), cast(?5 as text[]), cast(?6 as text[]),
            cast(?7 as bigint[]), cast(?8 as bigint[]), cast(?9 as bytea[]), cast(?10 as text[]), cast(?11 as bytea[]),
            cast(?12 as bigint[]), cast(?13 as bigint[]), cast(?14 as bigint[])) limit cardinality(cast(?1 as text[])))
     as requested(run, ident, generation, attempt, name, state, request_number, claim, failure, undo, input, started_at, ended_at, next_at)
join runs on runs.id = requested.run and runs.claim = requested.claim and coalesce(runs.session, 0) = ?15
on conflict (run, ident, generation, attempt) do update
set name = excluded.name, state = excluded.state, request_number = excluded.request_number, claim = excluded.claim, failure = excluded.failure,
    undo = excluded.undo, input = excluded.input, started_at = excluded.started_at, ended_at = excluded.ended_at,
    next_at = excluded.next_at, superseded = null
returning run, ident, generation, attempt
