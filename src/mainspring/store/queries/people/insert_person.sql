insert into people (name, password, role, automations, made_at, changed_at) values (?1, ?2, ?3, ?4, ?5, ?5)
on conflict (name) do nothing
