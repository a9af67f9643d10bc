update runs set state = requested.state, session = null, ready = 0, due_at = null, rank = requested.rank, steps = requested.rank, changed_at = ?12,
                finished_at = ?12, result = requested.result, failure = requested.failure, reason = requested.reason,
                failed_ident = requested.failed_ident, detail = coalesce(requested.detail, runs.detail), waiting_for = null, probation = 0,
                output_size = requested.output_size
from (select * from unnest(cast(?1 as text[]), cast(?2 as bigint[]), cast(?3 as text[]), cast(?4 as bigint[]), cast(?5 as bytea[]), cast(?6 as bytea[]),
            cast(?7 as text[]), cast(?8 as text[]), cast(?9 as bytea[]), cast(?10 as bigint[])) limit cardinality(cast(?1 as text[])))
     as requested(run, claim, state, rank, result, failure, reason, failed_ident, detail, output_size)
where runs.id = requested.run and runs.claim = requested.claim and coalesce(runs.session, 0) = ?11 and runs.state || '' in {{sources.succeed}}
returning {{columns.runs.ended_in_bulk}}
