select runs.automation, stalls.run, stalls.ident, stalls.name, stalls.attempt, stalls.since_at, stalls.stack
from stalls join runs on runs.id = stalls.run and runs.claim = stalls.claim and runs.session = stalls.session
order by stalls.since_at, stalls.run, stalls.ident limit ?
