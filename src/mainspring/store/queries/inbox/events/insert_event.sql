insert into events (id, name, key, data, at, keep_until) values (?, ?, ?, ?, ?, ?) on conflict do nothing
returning seq
