insert into session_automations (session, automation, version) values (?, ?, ?) on conflict do update set version = excluded.version
