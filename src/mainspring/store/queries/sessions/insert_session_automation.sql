insert into session_automations (session, automation, version) values (?, ?, ?) on conflict (session, automation) do update set version = excluded.version
