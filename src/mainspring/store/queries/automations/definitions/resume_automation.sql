update automations set paused_at = null, paused_until = null, paused_by = null, pause_reason = null, retired_at = null
where name = ? and (paused_at is not null or retired_at is not null)
