update failures set incident = ?1, opened = ?2 where seq in (select cast(value as bigint) from json_each(?3))
