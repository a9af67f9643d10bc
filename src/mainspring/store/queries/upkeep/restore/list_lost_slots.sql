select slots.schedule, schedules.automation, slots.slot_at from schedules join slots on slots.schedule = schedules.name
where schedules.retired_at is null and slots.verdict = ?1 and slots.slot_at >= ?2 and slots.slot_at <= ?3
order by slots.slot_at, slots.schedule limit ?4
