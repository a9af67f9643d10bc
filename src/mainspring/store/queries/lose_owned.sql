update runs set state = {{target.lose}}, session = null, ready = 1, due_at = null, changed_at = :now, suspect = max(suspect, :crashed)
where session = :session and state in {{sources.lose}}
