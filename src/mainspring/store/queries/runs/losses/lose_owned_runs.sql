update runs set state = {{target.lose}}, session = null, ready = 1, due_at = null, changed_at = :now, losses = losses + 1, probation = case when :crashed > 0 then 1 else probation end
where session = :session and state in {{sources.lose}}
