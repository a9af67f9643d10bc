insert into web_sessions (hash, id, name, source, role, automations, address, browser, made_at, seen_at, until_at)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10)
on conflict (hash) do nothing
