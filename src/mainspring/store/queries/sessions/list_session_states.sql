select id, state from sessions where id in (select cast(value as bigint) from json_each(?))
