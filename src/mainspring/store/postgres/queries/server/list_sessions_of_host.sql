select id, role, pid, pid_started, lock_path, lease_ms
from sessions
where state in ({{alive}}, {{draining}}) and host = ?
order by id
