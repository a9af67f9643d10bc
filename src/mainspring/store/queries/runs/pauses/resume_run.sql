update runs set state = {{target.resume}}, ready = :ready, blocked = :blocked, due_at = :due_at, changed_at = :now,
                place = case when fresh = 1 then place else :now - priority * 60000 end
where id = :run and state in {{sources.resume}}
