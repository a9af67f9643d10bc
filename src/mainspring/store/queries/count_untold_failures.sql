-- Runs that failed since an instant and that no watcher has told of. ?3 = JSON list of automations, null = all.
select count(*) from (
    select distinct faults.run from faults indexed by faults_untold join runs on runs.id = faults.run
    where faults.fingerprint is null and faults.at >= ?1 and faults.state = {{failed}} and runs.state = {{failed}}
      and (cast(?3 as text) is null or faults.automation in (select value from json_each(?3))) limit ?2
) as untold
