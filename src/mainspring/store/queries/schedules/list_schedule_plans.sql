-- With the pause of the schedule itself, or else that of its automation.
select schedules.name, schedules.automation, schedules.spec, schedules.low_water_at, schedules.spec_at, schedules.next_slot_at, schedules.input,
       automations.definition, case when schedules.paused_at is null then automations.paused_at else schedules.paused_at end as paused_at,
       case when schedules.paused_at is null then automations.paused_until end as paused_until, schedules.options
from schedules join automations on automations.name = schedules.automation
where schedules.retired_at is null and automations.retired_at is null and (cast(?1 as text) is null or schedules.automation = ?1)
order by schedules.name
