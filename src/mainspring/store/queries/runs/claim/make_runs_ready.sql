update runs set ready = 1 where ready = 0 and blocked is null and seq in (select cast(value as bigint) from json_each(?))
