-- How many slots of each automation had which verdict since an instant.
select schedules.automation, slots.verdict, count(*)
from schedules
join slots on slots.schedule = schedules.name and slots.slot_at >= ?
where schedules.retired_at is null
group by schedules.automation, slots.verdict
order by schedules.automation
