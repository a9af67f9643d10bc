-- It leaves the line of its partition, and is not due: the row of its pause has its due time.
update runs set state = {{target.pause_idle}}, ready = 0, blocked = null, due_at = null, changed_at = :now
where id = :run and session is null and state in {{sources.pause_idle}}
