select runs.automation, run_pauses.run, run_pauses.paused_at, run_pauses.paused_by
from run_pauses join runs on runs.id = run_pauses.run order by run_pauses.paused_at limit ?
