delete from faults where run in (select value from json_each(?))
