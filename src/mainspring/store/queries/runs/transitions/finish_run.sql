update runs set state = ?1, session = null, ready = 0, due_at = null, rank = ?2, steps = ?2, changed_at = ?3, finished_at = ?3, result = ?4,
                failure = ?5, reason = ?6, failed_ident = ?7, detail = coalesce(?8, detail), waiting_for = null, suspect = 0,
                output_size = ?12
where id = ?9 and claim = ?10 and coalesce(session, 0) = ?11 and state || '' in {{sources.succeed}}
returning automation, partition, case when superseded is null then parent end, parent_ident, run_key, started_at, queue,
          exists (select 1 from topics where topics.kind = 'run' and topics.name = runs.automation),
          exists (select 1 from failures where failures.automation = runs.automation and failures.settled_at is null),
          exists (select 1 from queues where queues.name = runs.queue and queues.concurrency is not null)
