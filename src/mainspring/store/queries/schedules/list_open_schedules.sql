select schedules.name, schedules.automation, schedules.spec, schedules.next_slot_at, automations.definition, schedules.input,
    schedules.options, schedules.version
from schedules left join automations on automations.name = schedules.automation
where schedules.retired_at is null and schedules.next_slot_at is not null and schedules.next_slot_at <= ?
  and schedules.paused_at is null and automations.retired_at is null
  and (automations.paused_at is null or automations.paused_until <= ?)
order by schedules.next_slot_at limit ?
