-- A new one, or one in place of a deleted one: that its slots had runs stays on record.
insert into schedules {{insert.schedules.new_created_schedule}}
on conflict (name) do update set automation = excluded.automation, key = null, spec = excluded.spec, spec_at = excluded.spec_at,
    input = excluded.input, low_water_at = excluded.low_water_at, last_slot_at = null, next_slot_at = excluded.next_slot_at,
    retired_at = null, options = excluded.options, version = excluded.version, paused_at = null, created_at = excluded.created_at,
    deleted_at = null
