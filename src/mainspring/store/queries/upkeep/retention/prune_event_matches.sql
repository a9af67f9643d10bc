delete from event_matches where event in (select cast(value as bigint) from json_each(?))
