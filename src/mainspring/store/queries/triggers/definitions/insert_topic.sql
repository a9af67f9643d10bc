insert into topics (kind, name, trigger, condition) values (?, ?, ?, ?)
on conflict (kind, name, trigger) do update set condition = excluded.condition
