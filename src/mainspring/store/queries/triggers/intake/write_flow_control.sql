insert into flow_control (trigger, by_key, counted_at, started_at, starts, since_at, keep_until) values (?, ?, ?, ?, ?, ?, ?)
on conflict (trigger, by_key) do update set counted_at = excluded.counted_at, started_at = excluded.started_at, starts = excluded.starts,
                                            since_at = excluded.since_at, keep_until = excluded.keep_until
