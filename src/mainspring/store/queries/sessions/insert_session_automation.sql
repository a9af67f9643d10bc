insert into session_automations (session, automation, version) values (?, ?, ?) on conflict (session, automation, version) do nothing
