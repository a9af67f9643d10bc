-- Slots that lie ahead of ?1 and have their run: the clock was put back since. By schedule (the order of a cross join stays), along the primary key.
select count(*) from schedules cross join slots where slots.schedule = schedules.name and slots.slot_at > ?1 and slots.run is not null
