update runs set state = {{target.pause}}, session = null, ready = 0, due_at = null, rank = :rank, steps = :rank, waiting_for = :waiting_for,
                changed_at = :now, returned_claim = case when :is_returned = 1 then claim else returned_claim end
where id = :run and claim = :claim and coalesce(session, 0) = :session and state || '' in {{sources.pause}}
returning {{columns.runs.suspended_run}}
