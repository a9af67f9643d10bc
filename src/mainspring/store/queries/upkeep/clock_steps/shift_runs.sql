-- The waits of a run are durations. A queued run waits for an instant: `at=`, or a slot with its jitter.
update runs set due_at = case when state in ({{waiting}}, {{retrying}}) then due_at + :by else due_at end,
                place = case when state in ({{waiting}}, {{retrying}}) and due_at is not null then place + :by else place end,
                deadline_at = case when state = {{queued}} and due_at is not null
                                       or exists (select 1 from run_pauses where run_pauses.run = runs.id and run_pauses.due_at is not null) then deadline_at else deadline_at + :by end,
                clock_steps = case when started_at is null then clock_steps
                                   else coalesce(clock_steps, '') || cast((select coalesce(max(rank), 0) from journal where run = runs.id) as text) || :mark end
where id in (select value from json_each(:runs))
