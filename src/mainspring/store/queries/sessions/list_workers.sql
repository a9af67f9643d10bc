-- A process of one run (role 'run') claims no other, so it serves no waiting run.
select {{columns.sessions.worker_on_host}}
from session_automations join sessions on sessions.id = session_automations.session
where session_automations.automation = ? and sessions.role != 'run' and sessions.state in ({{alive}}, {{draining}}) order by sessions.id
