-- Runs that failed since an instant and that no watcher has told of.
select count(*) from (
    select distinct faults.run from faults indexed by faults_untold join runs on runs.id = faults.run
    where faults.fingerprint is null and faults.at >= ?1 and faults.state = {{failed}} and runs.state = {{failed}} limit ?2
) as untold
