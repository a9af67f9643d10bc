select id, filter_sessions from deliveries where id in (select value from json_each(?)) and filter_sessions is not null
