-- The newest forks of a run.
select {{columns.runs.run_row}} from run_forks join runs on runs.id = run_forks.fork where run_forks.source = ? order by runs.seq desc limit ?
