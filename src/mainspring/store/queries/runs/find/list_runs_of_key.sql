select runs.seq, runs.id, runs.automation, runs.kind, runs.title, runs.state, runs.reason, runs.queue, runs.due_at, runs.created_at, runs.started_at,
       runs.finished_at, runs.steps, runs.progress, runs.trigger
from (select run from run_keys where automation = ? and key >= ? and key < ? order by key limit ?) as keyed
join runs on runs.id = keyed.run
