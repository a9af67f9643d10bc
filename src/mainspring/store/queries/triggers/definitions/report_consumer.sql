insert into consumers (trigger, session, connected_at, away_since, why) values (?, ?, ?, ?, ?)
on conflict (trigger, session) do update set connected_at = excluded.connected_at, away_since = excluded.away_since, why = excluded.why
