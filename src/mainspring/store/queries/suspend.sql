update runs set state = :state, session = null, due_at = :due_at, rank = :rank, steps = :rank, waiting_for = :waiting_for, changed_at = :now,
                place = coalesce(:due_at, :now) - priority * 60000,
                ready = coalesce(:due_at <= :now, 0) or exists (select 1 from inbox where run = :run and seq > :seen)
where id = :run and claim = :claim and session = :session and state in {{sources.suspend}}
returning ready
