-- The newest runs of some automations, in the order in which they were made.
select runs.seq, runs.id, runs.automation, runs.kind, runs.title, runs.state, runs.reason, runs.queue, runs.due_at, runs.created_at,
       runs.started_at, runs.finished_at, runs.steps, runs.progress, runs.trigger
from json_each(?1) as wanted join runs on runs.seq in (
    select seq from runs as newest indexed by runs_automation where newest.automation = wanted.value order by seq desc limit ?2)
order by runs.automation, runs.seq desc
