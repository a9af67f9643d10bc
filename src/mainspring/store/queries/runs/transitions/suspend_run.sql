-- A fact that its owner has not seen makes it ready now, so its place is that of now, however far its due time.
update runs set state = :state, session = null, due_at = :due_at, rank = :rank, steps = :rank, waiting_for = :waiting_for, changed_at = :now,
                returned_claim = claim,
                place = case when cast(:due_at as bigint) <= :now then cast(:due_at as bigint)
                             when exists (select 1 from inbox where run = :run and seq > :seen) then :now
                             else coalesce(cast(:due_at as bigint), :now) end - priority * 60000,
                ready = case when cast(:due_at as bigint) <= :now or exists (select 1 from inbox where run = :run and seq > :seen) then 1 else 0 end
where id = :run and claim = :claim and coalesce(session, 0) = :session and state || '' in {{sources.suspend}}
returning {{columns.runs.suspended_run}}
