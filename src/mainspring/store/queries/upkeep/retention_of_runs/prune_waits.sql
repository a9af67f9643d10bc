delete from waits where run in (select value from json_each(?))
