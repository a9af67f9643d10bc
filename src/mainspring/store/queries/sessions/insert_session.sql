insert into sessions (uuid, role, state, host, hostname, pid, pid_started, lock_path, opened_at, beat_at, posts, capacity, hash_seed)
values (:uuid, :role, {{alive}}, :host, :hostname, :pid, :pid_started, :lock_path, :now, :now, :posts, :capacity, :hash_seed)
on conflict (uuid) do nothing
