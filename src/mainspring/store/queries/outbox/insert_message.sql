insert into outbox (id, queue, state, key, body, is_raw, headers, run, ident, made_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (id) do nothing
