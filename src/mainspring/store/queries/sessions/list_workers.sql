-- A process of one run (role 'run') claims no other, so it serves no waiting run.
select sessions.id, sessions.role, sessions.state, sessions.hostname, sessions.pid, session_automations.version, sessions.deploy, sessions.tags,
       sessions.queues, sessions.host, sessions.pid_started
from session_automations join sessions on sessions.id = session_automations.session
where session_automations.automation = ? and sessions.role != 'run' and sessions.state in ({{alive}}, {{draining}}) order by sessions.id
