-- Slots of some schedules that did not run, or were created late, newest first.
select slots.schedule, slots.slot_at, slots.verdict, slots.run, slots.note, slots.made_at
from json_each(?1) as requested join slots on slots.schedule = requested.value and slots.slot_at >= ?2
where slots.verdict <> ?3 or slots.made_at - slots.slot_at > ?4
order by slots.slot_at desc limit ?5
