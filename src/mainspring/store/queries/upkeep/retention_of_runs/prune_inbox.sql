delete from inbox where run in (select value from json_each(?))
