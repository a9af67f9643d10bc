delete from deliveries where seq in (select cast(value as bigint) from json_each(?))
