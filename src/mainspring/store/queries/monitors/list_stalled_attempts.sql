select {{columns.stalled_attempts.stall_of_automation}}
from stalled_attempts join runs on runs.id = stalled_attempts.run and runs.claim = stalled_attempts.claim and runs.session = stalled_attempts.session
order by stalled_attempts.since_at, stalled_attempts.run, stalled_attempts.ident limit ?
