delete from run_keys where expires_at <= ? and holder is null and not exists (select 1 from runs where runs.id = run_keys.run and runs.finished_at is null)
