select coalesce(runs.id, run_pauses.run) as id from run_pauses left join runs on runs.id = run_pauses.run
where runs.id is null or runs.state <> {{paused}}
union all
select id from runs where state = {{paused}} and not exists (select 1 from run_pauses where run_pauses.run = runs.id)
order by id limit 20
