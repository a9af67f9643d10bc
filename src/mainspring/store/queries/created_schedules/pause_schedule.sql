update schedules set paused_at = ?, version = version + 1 where name = ?
