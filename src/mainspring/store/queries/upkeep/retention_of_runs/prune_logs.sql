delete from logs where run in (select value from json_each(?))
