insert into debounced_runs (automation, key, run) values (?, ?, ?) on conflict (automation, key) do update set run = excluded.run
