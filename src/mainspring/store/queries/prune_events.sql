delete from events where seq in (select value from json_each(?))
