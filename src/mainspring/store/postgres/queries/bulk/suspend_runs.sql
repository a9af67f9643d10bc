-- A fact that its owner has not seen makes a run ready now, so its place is that of now, however far its due time.
update runs set state = requested.state, session = null, due_at = requested.due_at, rank = requested.rank, steps = requested.rank,
                waiting_for = requested.waiting_for, changed_at = ?9, returned_claim = runs.claim,
                place = case when requested.due_at <= ?9 or not requested.unseen then coalesce(requested.due_at, ?9) else ?9 end - priority * 60000,
                ready = case when requested.due_at <= ?9 or requested.unseen then 1 else 0 end
from (select *, exists (select 1 from inbox where inbox.run = named.run and inbox.seq > named.seen) as unseen
      from unnest(cast(?1 as text[]), cast(?2 as bigint[]), cast(?3 as text[]), cast(?4 as bigint[]), cast(?5 as bigint[]), cast(?6 as bigint[]),
                  cast(?7 as bytea[])) as named(run, claim, state, due_at, seen, rank, waiting_for)
      limit cardinality(cast(?1 as text[]))) as requested
where runs.id = requested.run and runs.claim = requested.claim and coalesce(runs.session, 0) = ?8 and runs.state || '' in {{sources.suspend}}
returning {{columns.runs.suspended_in_bulk}}
