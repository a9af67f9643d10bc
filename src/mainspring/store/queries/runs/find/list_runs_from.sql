select runs.seq, runs.id, runs.automation, runs.kind, runs.title, runs.state, runs.reason, runs.queue, runs.due_at, runs.created_at, runs.started_at,
       runs.finished_at, runs.steps, runs.progress, runs.trigger
from runs where id >= ? and id < ? order by id desc limit ?
