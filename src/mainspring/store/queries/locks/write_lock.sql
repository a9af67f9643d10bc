insert into locks (name, owner, session, token, acquired_at, note) values (?, ?, ?, ?, ?, ?)
on conflict (name) do update set owner = excluded.owner, session = excluded.session, token = excluded.token, acquired_at = excluded.acquired_at,
                                 note = excluded.note
