delete from event_matches where event in (select value from json_each(?))
