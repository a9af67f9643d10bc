-- With the newest slot where its run has not begun.
select schedules.name, schedules.automation, schedules.spec, schedules.low_water_at, schedules.spec_at, schedules.next_slot_at,
    runs.slot_at, runs.id
from schedules
left join slots on slots.schedule = schedules.name and slots.slot_at = schedules.last_slot_at
left join runs on runs.id = slots.run and runs.started_at is null and runs.finished_at is null
where schedules.retired_at is null
