-- The starts of the next automations by name, each with all of its schedules: of all automations, or of the named ones, whose name contains
-- a text.
select schedules.name, schedules.automation, schedules.spec, schedules.next_slot_at, automations.definition, automations.paused_at,
       automations.paused_until, schedules.options
from schedules join automations on automations.name = schedules.automation
where schedules.retired_at is null and schedules.next_slot_at is not null and schedules.paused_at is null and schedules.automation in (
    select distinct planned.automation from schedules as planned join automations as named on named.name = planned.automation
    where planned.retired_at is null and planned.next_slot_at is not null and planned.paused_at is null and named.retired_at is null
          and (cast(?1 as text) is null or replace(planned.automation, ?1, '') <> planned.automation)
          and (cast(?2 as text) is null or planned.automation in (select value from json_each(?2)))
          and planned.automation > cast(?3 as text)
    order by planned.automation limit ?4)
order by schedules.automation, schedules.name
