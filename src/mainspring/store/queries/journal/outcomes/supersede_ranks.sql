update journal set superseded = ?1 where run = ?2 and rank in (select cast(value as bigint) from json_each(?3)) and superseded is null
