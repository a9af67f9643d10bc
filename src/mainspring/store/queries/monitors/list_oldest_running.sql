select automation, min(started_at) from runs indexed by runs_running where state = {{running}} group by automation
