insert into started_runs (starter, run) values (?, ?)
