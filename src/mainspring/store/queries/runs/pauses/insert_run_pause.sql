insert into run_pauses (run, paused_at, paused_by, reason, due_at)
select id, :now, :by, :reason, case when state = {{queued}} then due_at end from runs where id = :run
