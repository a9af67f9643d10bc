insert into consumers (trigger, session, connected_at, unreachable_at, reason) values (?, ?, ?, ?, ?)
on conflict (trigger, session) do update set connected_at = excluded.connected_at, unreachable_at = excluded.unreachable_at, reason = excluded.reason
