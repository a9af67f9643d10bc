-- The next starts, the soonest first: of all automations, or of the named ones, whose name contains a text.
select schedules.name, schedules.automation, schedules.spec, schedules.next_slot_at, automations.definition, automations.paused_at,
       automations.paused_until, schedules.options
from schedules join automations on automations.name = schedules.automation
where schedules.retired_at is null and schedules.next_slot_at is not null and schedules.paused_at is null and automations.retired_at is null
      and (cast(?1 as text) is null or replace(schedules.automation, ?1, '') <> schedules.automation)
      and (cast(?2 as text) is null or schedules.automation in (select value from json_each(?2)))
order by schedules.next_slot_at limit ?3
