-- The kernel reports a death, so there are no leases.
select id, role, pid, pid_started, lock_path, null
from sessions
where state in ({{alive}}, {{draining}}) and host = ?
order by id
