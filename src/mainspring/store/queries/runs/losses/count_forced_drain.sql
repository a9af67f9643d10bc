update runs set drains = drains + 1, losses = losses + 1, probation = case when drains > 0 then 1 else probation end
where id = ? and finished_at is null and state <> {{needs_attention}}
returning probation
