select s.name, s.automation, s.spec, s.next_slot_at
from schedules s join automations a on a.name = s.automation
where s.retired_at is null and s.next_slot_at is not null and s.next_slot_at <= ?1 and s.paused_at is null and a.retired_at is null
  and (a.paused_at is null or a.paused_until <= ?1)
order by s.next_slot_at limit 100
