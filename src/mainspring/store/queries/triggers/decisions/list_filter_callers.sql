select id, asked from deliveries where id in (select value from json_each(?)) and asked is not null
