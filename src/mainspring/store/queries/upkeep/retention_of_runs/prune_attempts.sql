delete from attempts where run in (select value from json_each(?))
