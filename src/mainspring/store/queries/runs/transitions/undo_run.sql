update runs set state = {{target.undo}}, undoing = 1, ready = :ready, blocked = :blocked, due_at = null, place = :now - priority * 60000,
                session = null, changed_at = :now, finished_at = null, reason = null, result = null, failure = null, failed_ident = null,
                detail = null, waiting_for = null, probation = 0, fresh = 0
where id = :run and (state in {{sources.undo}} or state in {{sources.undo_child}})
