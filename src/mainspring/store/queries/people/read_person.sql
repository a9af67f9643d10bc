select name, password, role, automations, made_at, changed_at from people where name = ?
