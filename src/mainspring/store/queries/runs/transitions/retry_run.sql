-- It failed and continues by its own policy: not ended, and not claimed before its due time, unless a cancel waits for it.
update runs set state = {{target.retry_later}}, session = null, rank = :rank, steps = :rank, waiting_for = null, changed_at = :now,
                generation = :generation, place = cast(:due_at as bigint) - priority * 60000,
                due_at = case when deadline_at < cast(:due_at as bigint) then deadline_at else cast(:due_at as bigint) end,
                ready = case when exists (select 1 from inbox where run = :run and kind = {{cancel}}) then 1 else 0 end
where id = :run and claim = :claim and coalesce(session, 0) = :session and state || '' in {{sources.retry_later}}
returning {{columns.runs.suspended_run}}
