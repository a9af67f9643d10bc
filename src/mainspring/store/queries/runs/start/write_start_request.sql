insert into start_requests (automation, request, run, input_hash, expires_at) values (?, ?, ?, ?, ?)
on conflict (automation, request) do update set run = excluded.run, input_hash = excluded.input_hash, expires_at = excluded.expires_at
