-- The next slots of automations that are neither retired nor paused; ?1 = names as JSON, null = of all.
select schedules.automation, schedules.name as schedule, schedules.next_slot_at as slot_at, schedules.spec
from schedules join automations on automations.name = schedules.automation
where schedules.retired_at is null and schedules.next_slot_at is not null and schedules.paused_at is null
  and automations.retired_at is null
  and (automations.paused_at is null or automations.paused_until <= schedules.next_slot_at)
  and (cast(?1 as text) is null or schedules.automation in (select value from json_each(?1)))
order by schedules.next_slot_at, schedules.name limit ?2
