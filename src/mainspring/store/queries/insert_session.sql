insert into sessions (uuid, role, state, host, hostname, pid, pid_started, lock_path, opened_at, beat_at)
values (:uuid, :role, {{alive}}, :host, :hostname, :pid, :pid_started, :lock_path, :now, :now)
on conflict (uuid) do nothing
