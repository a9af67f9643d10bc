-- A served slot changes two of these.
select count(*), count(retired_at), sum(next_slot_at), sum(last_slot_at), sum(low_water_at), sum(version) from schedules
