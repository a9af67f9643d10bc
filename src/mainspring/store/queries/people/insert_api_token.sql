insert into api_tokens (id, name, hash, role, automations, by, made_at, until_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
on conflict do nothing
