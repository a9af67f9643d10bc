update runs set state = {{target.release}}, session = null, ready = 1, due_at = null, changed_at = :now
where session = :session and state in {{sources.release}}
