insert into process_groups (session, pgid, run, ident, started) values (?, ?, ?, ?, ?)
on conflict (session, pgid) do update set run = excluded.run, ident = excluded.ident, started = excluded.started
