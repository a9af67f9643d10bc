update runs set state = :state, ready = 0, due_at = null, changed_at = :now, finished_at = :now, result = :result,
                failure = coalesce(:failure, failure), reason = :reason, waiting_for = null, blocked = null, suspect = 0, fresh = 0
where id = :run and session is null
returning automation, partition, case when superseded is null then parent end, parent_ident, run_key, started_at, queue,
          exists (select 1 from topics where topics.kind = 'run' and topics.name = runs.automation),
          exists (select 1 from failures where failures.automation = runs.automation and failures.settled_at is null)
