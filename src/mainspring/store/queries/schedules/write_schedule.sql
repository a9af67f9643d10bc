-- Of a deleted schedule that was created, only the number of its versions stays.
insert into schedules (name, automation, spec, low_water_at, next_slot_at, spec_at) values (?, ?, ?, ?, ?, ?)
on conflict (name) do update set automation = excluded.automation, spec = excluded.spec, low_water_at = excluded.low_water_at,
                                 next_slot_at = excluded.next_slot_at, spec_at = excluded.spec_at, retired_at = null,
                                 version = schedules.version + case when schedules.options is null then 0 else 1 end,
                                 options = null, paused_at = null, created_at = null, deleted_at = null
