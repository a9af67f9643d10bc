select max(sessions.deploy) from session_automations
join sessions on sessions.id = session_automations.session
where session_automations.automation = ? and session_automations.version = ? and sessions.state = {{alive}}
