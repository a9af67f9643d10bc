update runs set state = ?1, session = null, ready = 0, due_at = null, rank = ?2, steps = ?2, changed_at = ?3, finished_at = ?3, result = ?4,
                failure = ?5, reason = ?6, failed_ident = ?7, detail = coalesce(?8, detail), waiting_for = null, probation = 0,
                output_size = ?12
where id = ?9 and claim = ?10 and coalesce(session, 0) = ?11 and state || '' in {{sources.succeed}}
returning {{columns.runs.ended_run}}
