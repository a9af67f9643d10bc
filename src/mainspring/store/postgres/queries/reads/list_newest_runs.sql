-- The newest runs of some automations, in commit order. A range of one name, sorted by it: otherwise the server would scan the runs of all
-- automations.
select newest.automation, newest.id, newest.state, newest.reason, newest.slot_at, newest.created_at, newest.started_at, newest.finished_at
from json_each(?1) as requested cross join lateral (
    select automation, id, state, reason, slot_at, created_at, started_at, finished_at, seq
    from runs where runs.automation >= requested.value and runs.automation <= requested.value
    order by runs.automation desc, seq desc limit ?2) as newest
order by newest.automation, newest.seq desc
