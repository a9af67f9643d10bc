select id, role, pid, pid_started, lock_path
from sessions
where state in ({{alive}}, {{draining}}) and host = ?
order by id
