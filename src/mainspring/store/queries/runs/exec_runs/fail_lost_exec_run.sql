update runs set state = {{target.fail}}, reason = {{process_lost}}, session = null, ready = 0, due_at = null, finished_at = :now,
                changed_at = :now, waiting_for = null, probation = 0
where id = :run and session = :session and state in {{sources.fail}}
returning {{columns.runs.ended_run}}
