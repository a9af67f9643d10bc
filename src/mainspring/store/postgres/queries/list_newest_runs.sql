-- The newest runs of some automations, in the order in which they were made.
select newest.seq, newest.id, newest.automation, newest.kind, newest.title, newest.state, newest.reason, newest.queue, newest.due_at, newest.created_at,
       newest.started_at, newest.finished_at, newest.steps, newest.progress, newest.trigger
from json_each(?1) as wanted cross join lateral (select * from runs where runs.automation = wanted.value order by seq desc limit ?2) as newest
order by newest.automation, newest.seq desc
