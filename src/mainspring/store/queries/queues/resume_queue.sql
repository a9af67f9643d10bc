update queues set paused_at = null, paused_by = null, pause_reason = null where name = ?
