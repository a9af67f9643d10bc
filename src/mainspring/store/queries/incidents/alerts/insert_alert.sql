insert into alerts (key, incident, opened, about, channel, severity, state, made_at, due_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (key) do nothing
