update runs set state = {{target.halt}}, session = null, ready = 0, due_at = null, rank = :rank, steps = :rank, changed_at = :now,
                reason = :reason, failure = :failure, failed_ident = :failed_ident, detail = coalesce(:detail, detail), waiting_for = null
where id = :run and claim = :claim and coalesce(session, 0) = :session and state || '' in {{sources.halt}}
returning automation, run_key, queue, exists (select 1 from queues where queues.name = runs.queue and queues.concurrency is not null)
