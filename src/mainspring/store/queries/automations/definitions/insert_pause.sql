insert into pauses (automation, paused_at, until_at, paused_by, reason) values (?, ?, ?, ?, ?)
on conflict (automation, paused_at) do update
set until_at = excluded.until_at, ended_at = null, paused_by = excluded.paused_by, reason = excluded.reason
