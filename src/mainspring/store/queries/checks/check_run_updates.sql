select run as id from run_updates
where replied_at is null and (state not in {{update_sources.fail}} or not exists (select 1 from runs where runs.id = run_updates.run and runs.finished_at is null))
order by id limit 20
