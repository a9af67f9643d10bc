select runs.automation, stalled_attempts.run, stalled_attempts.ident, stalled_attempts.name, stalled_attempts.attempt, stalled_attempts.since_at, stalled_attempts.stack
from stalled_attempts join runs on runs.id = stalled_attempts.run and runs.claim = stalled_attempts.claim and runs.session = stalled_attempts.session
order by stalled_attempts.since_at, stalled_attempts.run, stalled_attempts.ident limit ?
