-- The newest slots of some schedules from one instant to another; a slot whose run was deleted is omitted.
select slots.schedule, slots.slot_at, slots.verdict, runs.started_at, runs.finished_at
from json_each(?1) as requested
join slots on slots.schedule = requested.value and slots.slot_at in (
    select newest.slot_at from slots as newest
    where newest.schedule = requested.value and newest.slot_at >= ?2 and newest.slot_at < ?3 order by newest.slot_at desc limit ?4)
left join runs on runs.id = slots.run
where slots.run is null or runs.id is not null
