select id, name, key, data, at from events where id = ?
