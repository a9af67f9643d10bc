delete from measurements where run in (select value from json_each(?))
