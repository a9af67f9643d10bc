-- Slots after ?1 that have their run: the clock was set back since. By schedule (the order of a cross join stays), along the primary key.
select count(*) from schedules cross join slots where slots.schedule = schedules.name and slots.slot_at > ?1 and slots.run is not null
