update runs set state = :state, ready = 0, due_at = null, changed_at = :now, finished_at = :now, result = :result,
                failure = coalesce(:failure, failure), reason = :reason, waiting_for = null, blocked = null, probation = 0, fresh = 0
where id = :run and session is null
returning {{columns.runs.ended_run}}
