select automation, version from runs
where id = ? and not exists (select 1 from session_automations join sessions on sessions.id = session_automations.session
                             where session_automations.automation = runs.automation and session_automations.version = runs.version
                               and sessions.state in ({{alive}}, {{draining}}))
