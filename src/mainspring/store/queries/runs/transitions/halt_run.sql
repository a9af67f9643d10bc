update runs set state = {{target.halt}}, session = null, ready = 0, due_at = null, rank = :rank, steps = :rank, changed_at = :now,
                reason = :reason, failure = :failure, failed_ident = :failed_ident, detail = coalesce(:detail, detail), waiting_for = null
where id = :run and claim = :claim and coalesce(session, 0) = :session and state || '' in {{sources.halt}}
returning {{columns.runs.halted_run}}
