delete from journal where run in (select value from json_each(?))
