insert into start_throttles (automation, key, starts, expires_at) values (?, ?, ?, ?)
on conflict (automation, key) do update set starts = excluded.starts, expires_at = excluded.expires_at
