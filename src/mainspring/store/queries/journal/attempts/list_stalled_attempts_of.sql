select {{columns.stalled_attempts.stall}}
from stalled_attempts join runs on runs.id = stalled_attempts.run and runs.claim = stalled_attempts.claim and runs.session = stalled_attempts.session
where stalled_attempts.run = ? order by stalled_attempts.since_at, stalled_attempts.ident
