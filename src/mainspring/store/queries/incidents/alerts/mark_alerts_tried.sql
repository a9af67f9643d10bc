update alerts set tried = ?1 where seq in (select cast(value as bigint) from json_each(?2)) and state = {{unsent}}
