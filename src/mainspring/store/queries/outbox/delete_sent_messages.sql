delete from outbox where queue = ? and seq in (select cast(value as bigint) from json_each(?))
