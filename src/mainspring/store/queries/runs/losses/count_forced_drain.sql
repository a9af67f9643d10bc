update runs set drains = drains + 1, losses = losses + 1, suspect = case when drains > 0 then 1 else suspect end
where id = ? and finished_at is null and state <> {{needs_attention}}
returning suspect
