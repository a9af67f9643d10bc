select s.host, s.pid, s.pid_started from sessions s join session_automations a on a.session = s.id
where s.state = {{alive}} and s.role in ('worker', 'app') and a.automation = ?
