update automations set paused_at = ?, paused_until = ?, paused_by = ?, pause_reason = ? where name = ?
