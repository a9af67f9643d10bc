select min(max(schedules.next_slot_at, coalesce(automations.paused_until, 0)))
from schedules left join automations on automations.name = schedules.automation
where schedules.retired_at is null and schedules.next_slot_at is not null
  and (automations.paused_at is null or automations.paused_until is not null)
