-- The newest runs that the code of a run started.
select {{columns.runs.run_row}} from started_runs join runs on runs.id = started_runs.run where started_runs.starter = ? order by runs.seq desc limit ?
