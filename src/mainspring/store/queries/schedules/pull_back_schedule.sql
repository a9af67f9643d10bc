update schedules set next_slot_at = ?1, low_water_at = case when low_water_at > ?2 then ?2 else low_water_at end,
    spec_at = case when spec_at > ?2 then ?2 else spec_at end,
    last_slot_at = (select max(slots.slot_at) from slots where slots.schedule = schedules.name and slots.slot_at <= ?2)
where name = ?3 and retired_at is null and next_slot_at is not null and (last_slot_at > ?4 or spec_at > ?4)
