-- The newest runs of some automations, in the order in which they were made.
select newest.automation, newest.id, newest.state, newest.created_at, newest.started_at, newest.finished_at
from json_each(?1) as wanted cross join lateral (
    select automation, id, state, created_at, started_at, finished_at, seq from runs where runs.automation = wanted.value order by seq desc limit ?2) as newest
order by newest.automation, newest.seq desc
