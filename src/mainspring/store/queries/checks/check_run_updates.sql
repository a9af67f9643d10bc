select run as id from run_updates where not exists (select 1 from runs where runs.id = run_updates.run) or (replied_at is null and state not in {{update_sources.fail}})
order by id limit 20
