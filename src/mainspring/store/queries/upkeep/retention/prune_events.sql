delete from events where seq in (select cast(value as bigint) from json_each(?))
