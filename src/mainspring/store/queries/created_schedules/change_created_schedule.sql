update schedules set spec = :spec, spec_at = :spec_at, low_water_at = :low_water_at, next_slot_at = :next_slot_at, input = :input,
    options = :options, version = version + 1 where name = :name
