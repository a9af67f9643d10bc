update schedules set paused_at = null, version = version + 1 where name = ?
