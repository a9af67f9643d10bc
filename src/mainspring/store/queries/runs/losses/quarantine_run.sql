update runs set state = {{target.quarantine}}, reason = {{crashes_worker}}, session = null, ready = 0, due_at = null, probation = 0,
                waiting_for = null, changed_at = :now, failure = :failure
where id = :run and (session = :session or session is null) and state in {{sources.quarantine}}
returning automation, run_key
