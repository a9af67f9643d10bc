update queues set paused_at = coalesce(paused_at, ?), paused_by = ?, pause_reason = ? where name = ?
