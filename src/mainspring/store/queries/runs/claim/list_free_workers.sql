-- Other workers with free slots whose loop is running. A process of one run (role 'run') and one of probation claim no other run.
select session_automations.automation, session_automations.version, sessions.tags, sessions.queues
from session_automations join sessions on sessions.id = session_automations.session
where session_automations.automation in (select value from json_each(:automations)) and sessions.id <> :session
  and sessions.state = {{alive}} and sessions.role not in ('run', 'probation') and sessions.blocked is null
  and sessions.capacity > (select count(*) from runs where runs.session = sessions.id)
