select id, name, key, data, at from events where id in (select value from json_each(?))
