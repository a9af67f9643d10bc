insert into schedule_pauses (schedule, paused_at, paused_by, reason) values (?, ?, ?, ?)
on conflict (schedule, paused_at) do update set ended_at = null, paused_by = excluded.paused_by, reason = excluded.reason
