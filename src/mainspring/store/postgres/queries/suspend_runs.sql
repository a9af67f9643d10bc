update runs set state = wanted.state, session = null, due_at = wanted.due_at, rank = wanted.rank, steps = wanted.rank,
                waiting_for = wanted.waiting_for, changed_at = ?9, place = coalesce(wanted.due_at, ?9) - priority * 60000,
                ready = case when wanted.due_at <= ?9 or exists (select 1 from inbox where inbox.run = wanted.run and inbox.seq > wanted.seen)
                             then 1 else 0 end
from (select * from unnest(cast(?1 as text[]), cast(?2 as bigint[]), cast(?3 as text[]), cast(?4 as bigint[]), cast(?5 as bigint[]), cast(?6 as bigint[]),
            cast(?7 as bytea[])) limit cardinality(cast(?1 as text[])))
     as wanted(run, claim, state, due_at, seen, rank, waiting_for)
where runs.id = wanted.run and runs.claim = wanted.claim and coalesce(runs.session, 0) = ?8 and runs.state || '' in {{sources.suspend}}
returning runs.id, runs.ready
