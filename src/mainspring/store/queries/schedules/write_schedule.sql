insert into schedules (name, automation, spec, low_water_at, next_slot_at, spec_at) values (?, ?, ?, ?, ?, ?)
on conflict (name) do update set automation = excluded.automation, spec = excluded.spec, low_water_at = excluded.low_water_at,
                                 next_slot_at = excluded.next_slot_at, spec_at = excluded.spec_at, retired_at = null
