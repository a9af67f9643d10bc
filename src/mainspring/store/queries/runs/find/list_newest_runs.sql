-- The newest runs of some automations, in commit order.
select runs.automation, runs.id, runs.state, runs.reason, runs.slot_at, runs.created_at, runs.started_at, runs.finished_at
from json_each(?1) as requested join runs on runs.seq in (
    select newest.seq from runs as newest indexed by runs_automation where newest.automation = requested.value order by newest.seq desc limit ?2)
order by runs.automation, runs.seq desc
