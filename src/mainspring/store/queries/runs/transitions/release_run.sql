-- A worker that has not called the code, or has not started its steps, cannot tell what the claim before left under way.
update runs set state = {{target.release}}, session = null, ready = 1, due_at = null, rank = :rank, steps = :rank, changed_at = :now,
                returned_claim = case when :is_returned = 1 then claim else returned_claim end
where id = :run and claim = :claim and coalesce(session, 0) = :session and state || '' in {{sources.release}}
