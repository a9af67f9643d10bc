-- The newest slots of some schedules from one instant to another; a slot whose run was deleted is omitted.
select newest.schedule, newest.slot_at, newest.verdict, runs.started_at, runs.finished_at
from json_each(?1) as requested cross join lateral (
    select schedule, slot_at, verdict, run from slots
    where slots.schedule = requested.value and slots.slot_at >= ?2 and slots.slot_at < ?3 order by slots.slot_at desc limit ?4) as newest
left join runs on runs.id = newest.run
where newest.run is null or runs.id is not null
