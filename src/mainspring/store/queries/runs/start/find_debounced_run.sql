-- The run that still waits for a later start: it is not due, and nothing has begun or moved it.
select runs.id, runs.created_at from debounced_runs join runs on runs.id = debounced_runs.run
where debounced_runs.automation = ? and debounced_runs.key = ? and runs.state = {{queued}} and runs.fresh = 1 and runs.session is null
  and runs.ready = 0 and runs.blocked is null and runs.due_at > ?
