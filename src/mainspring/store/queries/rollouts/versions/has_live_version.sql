-- Only sessions that claim: one that drains does not.
select 1 from session_automations join sessions on sessions.id = session_automations.session
where session_automations.automation = ? and session_automations.version = ? and sessions.role != 'run' and sessions.state = {{alive}} limit 1
