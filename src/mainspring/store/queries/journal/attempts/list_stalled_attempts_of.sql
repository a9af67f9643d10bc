select stalls.run, stalls.ident, stalls.name, stalls.attempt, stalls.since_at, stalls.stack
from stalls join runs on runs.id = stalls.run and runs.claim = stalls.claim and runs.session = stalls.session
where stalls.run = ? order by stalls.since_at, stalls.ident
