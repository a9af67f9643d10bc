select id, nullif(automation, '') from incidents where substr(id, 23) in (select value from json_each(?1)) order by id
