update runs set state = {{target.fail}}, reason = {{process_lost}}, session = null, ready = 0, due_at = null, finished_at = :now,
                changed_at = :now, waiting_for = null, suspect = 0
where id = :run and session = :session and state in {{sources.fail}}
returning automation, partition, case when superseded is null then parent end, parent_ident, run_key, started_at, queue,
          exists (select 1 from topics where topics.kind = 'run' and topics.name = runs.automation),
          exists (select 1 from failures where failures.automation = runs.automation and failures.settled_at is null)
