-- One look into the keys of each automation: a key is found by that alone.
select runs.seq, runs.id, runs.automation, runs.kind, runs.title, runs.state, runs.reason, runs.queue, runs.due_at, runs.created_at, runs.started_at,
       runs.finished_at, runs.steps, runs.progress, runs.trigger
from automations join run_keys on run_keys.automation = automations.name and run_keys.key >= ? and run_keys.key < ?
join runs on runs.id = run_keys.run
limit ?
