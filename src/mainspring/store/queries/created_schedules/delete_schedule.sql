-- The row stays, without a next slot: a new schedule of this name continues its versions and makes no slot twice.
update schedules set deleted_at = ?1, retired_at = ?1, next_slot_at = null, paused_at = null, version = version + 1 where name = ?2
