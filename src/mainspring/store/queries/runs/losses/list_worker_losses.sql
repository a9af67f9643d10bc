select run, claim, session, role, hostname, pid, seen_at, found_at, noticed, finder_role, finder_hostname, finder_pid,
       resumed_session, resumed_role, resumed_hostname, resumed_pid, resumed_at, ending
from worker_losses where run = ? order by claim desc limit ?
