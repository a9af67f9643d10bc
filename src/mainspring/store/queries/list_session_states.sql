select id, state from sessions where id in (select value from json_each(?))
