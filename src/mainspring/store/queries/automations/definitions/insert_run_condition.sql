insert into run_conditions (kind, subject, at, was, value) values (?, ?, ?, ?, ?)
on conflict (kind, subject, at) do update set value = excluded.value
