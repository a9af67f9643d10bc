delete from failures where run in (select value from json_each(?))
