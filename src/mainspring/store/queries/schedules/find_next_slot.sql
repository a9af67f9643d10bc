select min(case when automations.paused_until > schedules.next_slot_at then automations.paused_until else schedules.next_slot_at end)
from schedules left join automations on automations.name = schedules.automation
where schedules.retired_at is null and schedules.next_slot_at is not null
  and schedules.paused_at is null and automations.retired_at is null
  and (automations.paused_at is null or automations.paused_until is not null)
