select run, claim, session, role, hostname, pid, seen_at, found_at, noticed, finder_role, finder_hostname, finder_pid,
       resumed_session, resumed_role, resumed_hostname, resumed_pid, resumed_at, ending
from worker_losses
where run in (select value from json_each(?1)) and resumed_claim = (select claim from runs where runs.id = worker_losses.run)
order by run, claim
