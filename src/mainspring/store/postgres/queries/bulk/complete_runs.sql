with ended as (
    update runs set state = {{target.succeed}}, session = null, ready = 0, due_at = null, rank = 1, steps = 1, changed_at = ?14,
                    finished_at = ?14, result = requested.output, waiting_for = null, probation = 0, output_size = requested.output_size
    from (select * from unnest(cast(?1 as text[]), cast(?2 as bigint[]), cast(?3 as text[]), cast(?4 as text[]), cast(?5 as bigint[]), cast(?6 as bigint[]),
                cast(?7 as bigint[]), cast(?8 as bytea[]), cast(?9 as bytea[]), cast(?10 as bigint[])) limit cardinality(cast(?1 as text[])))
         as requested(run, claim, ident, name, started_at, at, duration_us, input, output, output_size)
    where runs.id = requested.run and runs.claim = requested.claim and coalesce(runs.session, 0) = ?13 and runs.state || '' in {{sources.succeed}}
      and runs.partition is null and runs.parent is null
    returning requested.*, runs.automation, runs.run_key, runs.started_at as run_started_at,
              exists (select 1 from topics where topics.kind = 'run' and topics.name = runs.automation) as has_subscribers,
              exists (select 1 from failures where failures.automation = runs.automation and failures.settled_at is null) as failing,
              case when exists (select 1 from queues where queues.name = runs.queue and queues.concurrency is not null) then runs.queue end as limited,
              runs.concurrency_key is not null as has_concurrency_key
),
saved as (
    insert into journal (run, rank, ident, name, kind, state, request_number, attempt, generation, claim, input, output, started_at, at, duration_us, requested_after)
    select run, 1, ident, name, cast(?11 as text), cast(?12 as text), 1, 1, 0, claim, input, output, started_at, at, duration_us, 0 from ended
)
-- As ENDED_IN_BULK in schema/runs/runs.py.
select run, automation, run_key, run_started_at, has_subscribers, failing, limited, has_concurrency_key from ended
