select count(*) from deliveries where state = {{held}} and id in (select value from json_each(?))
