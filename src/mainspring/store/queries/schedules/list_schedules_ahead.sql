-- Schedules whose last slot, or whose data, were written by a clock that was ahead of this instant.
select name, automation, spec from schedules
where retired_at is null and next_slot_at is not null and (last_slot_at > ?1 or spec_at > ?1)
order by name
