update worker_losses set resumed_claim = runs.claim, resumed_session = sessions.id, resumed_role = sessions.role,
                         resumed_hostname = sessions.hostname, resumed_pid = sessions.pid, resumed_at = :now
from runs, sessions
where runs.id in (select value from json_each(:runs)) and sessions.id = :session
  and worker_losses.run = runs.id and worker_losses.resumed_at is null
