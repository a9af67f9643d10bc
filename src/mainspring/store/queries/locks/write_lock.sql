insert into locks (name, owner, session, token, taken_at, note) values (?, ?, ?, ?, ?, ?)
on conflict (name) do update set owner = excluded.owner, session = excluded.session, token = excluded.token, taken_at = excluded.taken_at,
                                 note = excluded.note
