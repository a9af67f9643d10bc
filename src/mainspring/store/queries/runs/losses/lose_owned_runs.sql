update runs set state = {{target.lose}}, session = null, ready = 1, due_at = null, changed_at = :now, losses = losses + 1, suspect = case when :crashed > 0 then 1 else suspect end
where session = :session and state in {{sources.lose}}
