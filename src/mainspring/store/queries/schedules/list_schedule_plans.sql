select schedules.name, schedules.automation, schedules.spec, schedules.low_water_at, schedules.spec_at, schedules.next_slot_at, schedules.input,
       automations.definition, automations.paused_at, automations.paused_until
from schedules join automations on automations.name = schedules.automation
where schedules.retired_at is null and automations.retired_at is null and (cast(?1 as text) is null or schedules.automation = ?1)
order by schedules.name
