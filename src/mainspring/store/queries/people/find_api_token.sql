select id, name, hash, role, automations, by, made_at, until_at, used_at from api_tokens where hash = ?
